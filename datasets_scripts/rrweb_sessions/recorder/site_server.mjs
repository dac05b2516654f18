// Serves all sites on loopback, told apart by the Host header.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';

import { SITES } from './sites.mjs';

const CONTENT_TYPES = {
  html: 'text/html; charset=utf-8', js: 'text/javascript', css: 'text/css', json: 'application/json',
  svg: 'image/svg+xml', png: 'image/png', jpg: 'image/jpeg', gif: 'image/gif', ico: 'image/x-icon',
  webp: 'image/webp', woff: 'font/woff', woff2: 'font/woff2', ttf: 'font/ttf',
};
const NOT_FOUND_PAGE = '<!doctype html><title>404 Not Found</title><h1>Not Found</h1>'
  + '<p>The requested URL was not found on this server.</p><p><a href="/">Home</a></p>';
// The one file that a Debian page (Ace's editor) asks for and no unpacked package holds.
const ABSENT_FILES = { '/usr/share/nodejs/require.js': 'requirejs/require.js' };

export class SiteFiles {
  constructor(sitesFolder) {
    this.deb = path.resolve(sitesFolder, 'deb');
    this.npm = path.resolve(sitesFolder, 'npm/node_modules');
  }

  rootOf(site) {
    const [kind, folder] = site.root.split(':');
    return path.join(this[kind], folder);
  }

  // Follows symbolic links; an absolute link of an unpacked package points into the unpacked tree.
  // Returns null when there is nothing.
  followLinks(file) {
    let current = file;
    for (let hops = 0; hops < 8; hops += 1) {
      const status = fs.lstatSync(current, { throwIfNoEntry: false });
      if (!status) return null;
      if (!status.isSymbolicLink()) return current;
      const target = fs.readlinkSync(current);
      current = path.isAbsolute(target)
        ? path.join(this.deb, target) : path.resolve(path.dirname(current), target);
    }
    return null;
  }

  existing(file) {
    let found = this.followLinks(file);
    if (!found) {
      const folder = this.followLinks(path.dirname(file));
      found = folder && this.followLinks(path.join(folder, path.basename(file)));
    }
    const status = found && fs.statSync(found, { throwIfNoEntry: false });
    return status?.isFile() ? found : null;
  }

  // Returns the file that answers `url` on `site`, or null.
  find(site, url) {
    let asked = url.split(/[?#]/)[0];
    try {
      asked = path.posix.normalize(decodeURIComponent(asked)).replaceAll('\0', '');
    } catch {
      return null; // not a URL-encoded path
    }
    if (ABSENT_FILES[asked]) return path.join(this.npm, ABSENT_FILES[asked]);
    const roots = [this.rootOf(site), ...(asked.startsWith('/usr/share/') ? [this.deb] : [])];
    for (const root of roots) {
      for (const ending of ['', '.en', '/index.html', '/index.html.en', '.html']) {
        const file = this.existing(path.join(root, asked + ending));
        if (file) return file;
      }
    }
    return site.plugins ? this.findPlugin(site, asked) : null;
  }

  // AdminLTE's package holds no copy of the plugins its pages ask for, but the list that its build copies
  // them by: [{from: "node_modules/jquery/dist", to: "plugins/jquery"}, ...].
  findPlugin(site, asked) {
    const root = this.rootOf(site);
    const copies = createRequire(path.join(root, 'package.json'))(`./${site.plugins}`);
    for (const { from, to } of copies) {
      if (!asked.startsWith(`/${to}/`)) continue;
      const wanted = from.replace('node_modules/', '') + asked.slice(to.length + 1);
      for (const packages of [path.join(root, 'node_modules'), this.npm]) {
        const file = this.existing(path.join(packages, wanted));
        if (file) return file;
      }
    }
    return null;
  }
}

function answer(files, request, response) {
  const site = SITES[(request.headers.host || '').split(':')[0]];
  if (!site) {
    response.writeHead(404).end();
    return;
  }
  if (request.method === 'POST') { // a form was sent: back to the page it came from
    request.resume();
    response.writeHead(303, { location: request.headers.referer || '/' }).end();
    return;
  }
  const file = files.find(site, request.url);
  if (!file) {
    response.writeHead(404, { 'content-type': 'text/html' }).end(NOT_FOUND_PAGE);
    return;
  }
  const extension = file.replace(/\.en$/, '').split('.').pop();
  const type = CONTENT_TYPES[extension] || 'application/octet-stream';
  response.writeHead(200, { 'content-type': type, 'cache-control': 'max-age=600' });
  fs.createReadStream(file).pipe(response);
}

// Returns {port, close()} of a server on a free loopback port.
export async function serveSites(files) {
  const server = http.createServer((request, response) => answer(files, request, response));
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { port: server.address().port, close: () => server.close() };
}
