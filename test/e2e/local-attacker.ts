// Run as another user of a host: looks for what a cluster there leaves open, and prints as JSON
// what it found. Its one argument is JSON: the folders, sockets and processes of the cluster.
import {
  accessSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

const { folders, sockets, pids } = JSON.parse(process.argv[2]!) as {
  folders: string[];
  sockets: string[];
  pids: number[];
};
const MEMORY = ["environ", "mem", "maps", "stack", "auxv", "syscall", "io"];
const LINKS = ["exe", "cwd", "root", "ns/net", "fd/0"];

/** Whether an attack got through. */
function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return false; // the kernel's refusal
    throw thrown;
  }
}

/** Everything in a folder that can be reached, read or written. */
function look(path: string, found: string[]): void {
  const entry = succeeds(() => lstatSync(path)) ? lstatSync(path) : undefined;
  if (entry === undefined || entry.isSymbolicLink()) return;
  if (succeeds(() => accessSync(path, constants.W_OK))) found.push(`write ${path}`);
  const canRead = succeeds(() => accessSync(path, constants.R_OK));
  if (entry.isFile() && canRead) found.push(`read ${path}`);
  if (!entry.isDirectory()) return;
  if (succeeds(() => readdirSync(path))) {
    for (const name of readdirSync(path)) look(join(path, name), found);
  }
}

function attackProcess(pid: number): string[] {
  const found = MEMORY.filter((name) =>
    succeeds(() => {
      const fd = openSync(`/proc/${pid}/${name}`, "r");
      try {
        readFileSync(fd);
      } finally {
        closeSync(fd);
      }
    }),
  );
  found.push(...LINKS.filter((name) => succeeds(() => readlinkSync(`/proc/${pid}/${name}`))));
  if (succeeds(() => readdirSync(`/proc/${pid}/root/`))) found.push("root/");
  if (succeeds(() => process.kill(pid, 0))) found.push("signal");
  return found.map((what) => `${pid} ${what}`);
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

const files: string[] = [];
for (const folder of folders) look(folder, files);
const connected: string[] = [];
for (const path of sockets) if (await connects(path)) connected.push(path);
const processes = pids.flatMap(attackProcess);
const commands = pids.flatMap((pid) => {
  const path = `/proc/${pid}/cmdline`;
  return succeeds(() => readFileSync(path)) ? [readFileSync(path, "utf8")] : [];
});
process.stdout.write(JSON.stringify({ files, sockets: connected, processes, commands }));
