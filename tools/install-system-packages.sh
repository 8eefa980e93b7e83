#!/usr/bin/env bash
# Installs the system packages that the tests need. Today the tests need none: PyAV and
# imageio-ffmpeg carry their own FFmpeg. Tests of the editor and of VapourSynth add theirs here.
set -euo pipefail

packages=()

missing=()
for package in ${packages[@]+"${packages[@]}"}; do
  dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "These system packages are missing: ${missing[*]}. Install them with: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
