import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { createNetns, deleteNetns, inNetns } from "../namespace/netns.ts";
import { connectLoopback } from "../socket/socket.ts";
import { check, libc } from "../syscall/libc.ts";
import { AF_NETLINK } from "../syscall/numbers.ts";
import { getLink, openRoute, setLink } from "./link.ts";
import { unchargedBuffers } from "./uncharged-buffers.ts";

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK = 3 | 0o4000 | 0o2000000;
const SOL_PACKET = 263;
const PACKET_RX_RING = 5;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const MEBIBYTE = 2 ** 20;

/** A process in a network namespace of its own, where `open` opens sockets. */
async function namespaceWith(open: () => number[], command = ["sleep", "1000"]) {
  const path = join(testFolder("r2k-buffers-"), "netns");
  createNetns(path);
  onTestFinished(() => deleteNetns(path));
  const { child, fds } = inNetns(path, () => {
    using route = openRoute();
    setLink(route, getLink(route, "lo"), { up: true });
    return { child: spawn(command[0]!, command.slice(1)), fds: open() };
  });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
    for (const fd of fds) closeSync(fd);
  });
  await once(child, "spawn");
  return { child, path, pid: child.pid! };
}

const socket = (family: number, protocol: number) =>
  check("socket", libc.socket(family, SOCK_RAW_NONBLOCK, protocol), "for a test");

/** A netlink socket that asks for a link again and again, and reads no answer. */
function unread(asked: number): number {
  const fd = socket(AF_NETLINK, 0);
  const request = Buffer.alloc(32);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(RTM_GETLINK, 4);
  request.writeUInt16LE(NLM_F_REQUEST, 6);
  request.writeInt32LE(1, 20);
  for (let at = 0; at < asked; at++) libc.send(fd, request, request.length, 0);
  return fd;
}

/** A packet socket with a ring of a mebibyte. */
function ring(): number {
  const fd = socket(AF_PACKET, 0);
  const wanted = Buffer.alloc(16);
  for (const [at, value] of [65_536, 16, 2_048, 512].entries()) wanted.writeUInt32LE(value, at * 4);
  const result = libc.setsockopt(fd, SOL_PACKET, PACKET_RX_RING, wanted, wanted.length);
  check("setsockopt", result, "a ring");
  return fd;
}

const all = { enough_bytes: Infinity, tcp: true };

test("answers of the kernel that no one reads count, of every socket", async () => {
  const { other_bytes: one = 0 } =
    (await unchargedBuffers((await namespaceWith(() => [unread(20)])).pid, all)) ?? {};
  expect(one).toBeGreaterThan(20_000);
  const { pid } = await namespaceWith(() => [unread(20), unread(20), unread(0)]);
  expect(await unchargedBuffers(pid, all)).toEqual({ other_bytes: 2 * one, tcp_bytes: 0 });
  const some = await unchargedBuffers(pid, { enough_bytes: one, tcp: false });
  expect(some?.other_bytes).toBeGreaterThanOrEqual(one);
});

test("more sockets than are looked at count without bound", async () => {
  const { pid } = await namespaceWith(() => [unread(0), socket(AF_PACKET, 0), unread(0)]);
  const bytesOf = async (sockets_max: number) =>
    (await unchargedBuffers(pid, { ...all, sockets_max }))?.other_bytes;
  // The kernel has some of its own.
  expect(await bytesOf(100)).toBe(0);
  expect(await bytesOf(2)).toBe(Infinity);
});

test("rings of packet sockets count, also of those that are not mapped", async () => {
  const { pid } = await namespaceWith(() => [ring(), ring(), socket(AF_PACKET, 0)]);
  const other_bytes = 2 * MEBIBYTE;
  expect(await unchargedBuffers(pid, all)).toEqual({ other_bytes, tcp_bytes: 0 });
});

test("a namespace without such sockets has none; that of a process that has ended is unknown", async () => {
  const { pid } = await namespaceWith(() => []);
  expect(await unchargedBuffers(pid, all)).toEqual({ other_bytes: 0, tcp_bytes: 0 });
  expect(await unchargedBuffers(2 ** 22 + 1, all)).toBeUndefined();
});

test("what connections have received counts until they are accepted", async () => {
  const server =
    "require('net').createServer({ pauseOnConnect: true }).listen(80, () => console.log())";
  const { pid, child, path } = await namespaceWith(() => [], [process.execPath, "-e", server]);
  await once(child.stdout, "data");
  child.kill("SIGSTOP");
  const isStopped = () => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") T ");
  await expect.poll(isStopped).toBe(true);
  const sockets = inNetns(path, () => {
    return Array.from({ length: 3 }, () => connectLoopback(4, 80)) as never;
  }) as Socket[];
  onTestFinished(() => sockets.forEach((each) => each.destroy()));
  const bytes = Buffer.alloc(20_000);
  await Promise.all(sockets.map((each) => new Promise((done) => each.write(bytes, done))));
  // The last one goes away, and leaves what it sent.
  sockets[2]!.end();
  const tcpOf = async (tcp: boolean) => (await unchargedBuffers(pid, { ...all, tcp }))?.tcp_bytes;
  expect(await tcpOf(true)).toBeGreaterThan(3 * bytes.length);
  expect(await tcpOf(false)).toBe(0);
  child.kill("SIGCONT");
  await expect.poll(() => tcpOf(true)).toBe(0);
});
