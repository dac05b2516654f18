#!/bin/sh
# Fetches everything the recorder needs into one folder: the pages, rrweb, and the browser's driver.
#
#   ./setup.sh ~/recorder-work            all of it (about 1 GB on disk)
#   ./setup.sh ~/recorder-work npm        only one part: deb, npm, modules or chromium
#
# Needs: Debian or a Debian derivative (apt-get, dpkg-deb), node >= 20 and npm. Installing Chromium needs
# root; everything else does not. Nothing is built and no package script is run. Safe to run again.
set -eu

# Pages: documentation packages of Debian, unpacked and not installed. Their versions follow the release.
DEB_PACKAGES="python3.11-doc postgresql-doc-15 sqlite3-doc apache2-doc git-doc python-django-doc
  libjs-jquery-ui-docs libjs-jquery-ui libjs-jquery libjs-underscore libjs-sphinxdoc"

# Pages: site templates and demo applications, by name and exact version.
NPM_PACKAGES="admin-lte@3.2.0 startbootstrap-sb-admin-2@4.1.4 startbootstrap-sb-admin@7.0.7
  gentelella@1.4.0 @tabler/preview@1.2.0 todomvc@0.1.1 startbootstrap-shop-homepage@5.0.6
  startbootstrap-shop-item@5.0.6 startbootstrap-clean-blog@6.0.9 startbootstrap-modern-business@5.0.7
  startbootstrap-agency@7.0.12 ace-builds@1.4.14 requirejs@2.3.8"

# The recorder itself: rrweb is injected as published, playwright-core drives the browser.
MODULE_PACKAGES="rrweb@2.2.2 @rrweb/rrweb-plugin-console-record@2.1.1 @rrweb/packer@2.1.6
  playwright-core@1.65.1"

case "${1:-}" in
  "" | -h | --help)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
work=$1
part=${2:-all}
case "$part" in
  all | deb | npm | modules | chromium) ;;
  *)
    echo "setup.sh: expected a part out of: deb npm modules chromium; got '$part'" >&2
    exit 2
    ;;
esac
wanted() { [ "$part" = all ] || [ "$part" = "$1" ]; }

npm_install() { # npm_install FOLDER PACKAGE...
  folder=$1
  shift
  mkdir -p "$folder"
  [ -f "$folder/package.json" ] || echo '{ "private": true }' > "$folder/package.json"
  # Old templates ask for peers that exclude one another; none of those peers is needed to serve the pages.
  npm install --prefix "$folder" --ignore-scripts --legacy-peer-deps \
    --no-audit --no-fund --loglevel=error "$@"
}

if wanted chromium && ! command -v chromium > /dev/null; then
  apt-get install -y --no-install-recommends chromium
fi

if wanted deb; then
  mkdir -p "$work/sites/deb" "$work/debs"
  # shellcheck disable=SC2086  # the lists are split on purpose
  (cd "$work/debs" && apt-get download $DEB_PACKAGES)
  for archive in "$work"/debs/*.deb; do
    dpkg-deb -x "$archive" "$work/sites/deb"
  done
fi

# shellcheck disable=SC2086
if wanted npm; then npm_install "$work/sites/npm" $NPM_PACKAGES; fi

# shellcheck disable=SC2086
if wanted modules; then npm_install "$work/modules" $MODULE_PACKAGES; fi

echo "ready: $work holds sites/ and modules/ for record_sessions.mjs --work $work"
