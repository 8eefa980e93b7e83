#!/usr/bin/env bash
# Installs the system packages that the tests of the editor need. The rest needs none: PyAV,
# imageio-ffmpeg and VapourSynth's wheel carry what they use.
set -euo pipefail

packages=(
  # Qt without a display (QT_QPA_PLATFORM=offscreen).
  libegl1 libgl1 libglib2.0-0 libxkbcommon0 libfontconfig1 libdbus-1-3 fonts-dejavu-core
  # Qt in a real window: X on a virtual display, with a window manager, else nothing has focus.
  xvfb openbox libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0
  libxkbcommon-x11-0 libxcb-xkb1 libx11-xcb1 libxcb-randr0 libxcb-shape0
  # To drive and photograph that window.
  xdotool x11-utils imagemagick
  # Its accessibility tree.
  at-spi2-core python3-pyatspi gir1.2-atspi-2.0 dbus
  # Compiles translations (lrelease).
  qt6-l10n-tools
)

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
