// A real avahi-daemon inside a namespace of a test, with a D-Bus of its own; its /run is a tmpfs that nobody else sees.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lines } from './mdns-process.ts';
import type { Networks } from './namespaces.ts';

/** Which Debian packages are missing, or null. */
export const whyNoAvahi = (): string | null => {
  const packages = {
    'avahi-daemon': 'avahi-daemon',
    'avahi-browse': 'avahi-utils',
    'avahi-publish': 'avahi-utils',
    'dbus-daemon': 'dbus',
  };
  const missing = Object.entries(packages).filter(([program]) => {
    try {
      execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
      return false;
    } catch {
      return true;
    }
  });
  if (missing.length === 0) return null;
  return `Avahi is not here: apt-get install ${[...new Set(missing.map(([, name]) => name))].join(' ')}`;
};

const busConfig = (address: string): string => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>${address}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
`;

const daemonConfig = (host: string, cable: string): string => `[server]
host-name=${host}
use-ipv4=yes
use-ipv6=no
allow-interfaces=${cable}
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
`;

const browseMs = 15_000;
const browsesMax = 3;

export type Avahi = {
  /** Lines of `avahi-browse -p`: what a person sees, resolved, until it has all. */
  browse(service: string): Promise<string[]>;
  /** Publishes a service as a person does, until the network is removed. */
  publish(name: string, service: string, port: number, texts: readonly string[]): void;
  /** Ends it, in no hurry: without a word, as when a machine is switched off. */
  remove(): void;
};

export const startAvahi = async (networks: Networks, at: 0 | 1, host: string): Promise<Avahi> => {
  const folder = mkdtempSync(join(tmpdir(), 'polity-avahi-'));
  const address = `unix:path=${join(folder, 'bus')}`;
  const env = { DBUS_SYSTEM_BUS_ADDRESS: address, LC_ALL: 'C' };
  writeFileSync(join(folder, 'bus.conf'), busConfig(address));
  writeFileSync(join(folder, 'avahi.conf'), daemonConfig(host, networks.cable(at)));
  const children: ChildProcess[] = [];
  const start = (command: string, args: readonly string[]): ChildProcess => {
    const child = networks.start(at, command, args, env);
    children.push(child);
    return child;
  };
  const bus = start('dbus-daemon', [`--config-file=${join(folder, 'bus.conf')}`, '--nofork', '--print-address']);
  await new Lines(bus).until('the bus', (seen) => seen[0]);
  const daemon = `mount -t tmpfs tmpfs /run && exec avahi-daemon -f "$0" --no-drop-root --no-rlimits --no-chroot 2>&1`;
  const lines = new Lines(start('sh', ['-c', daemon, join(folder, 'avahi.conf')]));
  await lines.until('the start of avahi-daemon', (seen) => seen.find((line) => line.includes('Server startup complete')));
  return {
    async browse(service) {
      for (let tries = 1; ; tries++) {
        const child = start('avahi-browse', ['--resolve', '--parsable', '--terminate', service]);
        const { seen } = new Lines(child);
        // It was seen to wait for ever, now and then, for a resolver of its daemon's that had ended.
        const late = setTimeout(() => child.kill('SIGKILL'), browseMs);
        await new Promise((resolve) => child.once('close', resolve));
        clearTimeout(late);
        if (child.signalCode !== 'SIGKILL' || tries === browsesMax) return seen;
      }
    },
    publish(name, service, port, texts) {
      start('avahi-publish', ['--service', name, service, String(port), ...texts]).stdout!.resume();
    },
    remove() {
      for (const child of children) child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
