"""Packaging: each top-level folder is a source root that holds one uniquely named package."""

from setuptools import find_packages, setup

ROOTS = {
    "imf_plugin": ".",
    "imf_kernels": "kernels",
    "imf_hosts": "host_integrations",
    "imf_ui": "ui",
}

setup(
    packages=[
        package
        for name, root in ROOTS.items()
        for package in find_packages(root, include=[name, f"{name}.*"])
    ],
    package_dir={name: name if root == "." else f"{root}/{name}" for name, root in ROOTS.items()},
    package_data={
        "imf_plugin": ["py.typed", "models/weights/*"],
        "imf_kernels": ["py.typed"],
        "imf_hosts": ["py.typed"],
        "imf_ui": ["py.typed", "icons/*.svg", "icons/themed/*.svg", "translations/*.json"],
    },
)
