#!/bin/sh
# setup.sh VENV EXTRA: the virtual environment with napari-cnmf[EXTRA], and the system
# libraries that Qt and OpenGL need. Run by make; safe to run again.
set -eu
venv=$1
extra=$2

# xvfb serves the tests; the rest is what Qt's xcb platform and OpenGL load at run time.
packages="python3-venv xvfb xauth libegl1 libgl1 libopengl0 libdbus-1-3 libglib2.0-0 libfontconfig1
 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0
 libxcb-xinerama0"

missing_packages() {
  for p in $packages; do
    # libglib2.0-0t64 and the like: Ubuntu 24.04 renamed the same library
    dpkg -s "$p" >/dev/null 2>&1 || dpkg -s "${p}t64" >/dev/null 2>&1 || printf '%s ' "$p"
  done
}

if command -v dpkg >/dev/null 2>&1; then
  missing=$(missing_packages)
  if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=no; fi
    if [ "$as_root" = no ]; then
      echo "These system packages are needed and this user may not install them:" >&2
      echo "  sudo apt-get install $missing" >&2
      exit 1
    fi
    echo "Installing system packages: $missing"
    $as_root apt-get update -q
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends $missing
  fi
elif [ "$(uname -s)" = Linux ]; then
  echo "Not a Debian or Ubuntu machine: make sure that Qt's and OpenGL's libraries are there:" >&2
  echo "  $packages" >&2
fi

find_python() {
  for p in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
    if "$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2])' >/dev/null 2>&1; then
      echo "$p"
      return
    fi
  done
  echo "Python 3.11 or newer with the venv module is needed; none was found on PATH. Set PYTHON=/path/to/python." >&2
  exit 1
}

if [ ! -x "$venv/bin/python" ]; then
  python=$(find_python)
  echo "Creating $venv with $("$python" --version)"
  "$python" -m venv "$venv"
  "$venv/bin/python" -m pip install -q --upgrade pip
fi
echo "Installing napari-cnmf[$extra] into $venv"
"$venv/bin/python" -m pip install -q -e ".[$extra]"
touch "$venv/.$extra"
