import { execFileSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { enterNetns } from "../namespace/netns.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../netlink/netlink.ts";
import koffi from "../syscall/koffi.ts";
import {
  applyRuleset,
  deleteTable,
  deleteUnused,
  listRuleset,
  type NftObject,
  nftGeneration,
  nftTableExists,
  setApplyHere,
} from "./nft.ts";
import { applyInProcess, NftSession, openSockets } from "./nft-session.ts";

const O_CLOEXEC = 0o2000000;
const TABLE = "r2k-session";
const MAP = `add map ip ${TABLE} m { type inet_service : verdict; }`;

/** Open sockets, and whether programs that this process starts have them too. */
function sockets(): Map<string, boolean> {
  const found = new Map<string, boolean>();
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1]!;
      const link = readlinkSync(`/proc/self/fd/${fd}`);
      const isInherited = (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
      if (link.startsWith("socket:")) found.set(link, isInherited);
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown; // the listing's own descriptor
    }
  }
  return found;
}

/** mallinfo2(3). */
const MallocInfo = koffi.struct({
  arena: "size_t",
  ordblks: "size_t",
  smblks: "size_t",
  hblks: "size_t",
  hblkhd: "size_t",
  usmblks: "size_t",
  fsmblks: "size_t",
  uordblks: "size_t",
  fordblks: "size_t",
  keepcost: "size_t",
});
const mallinfo = koffi.load(null).func("mallinfo2", MallocInfo, []);

/** Bytes that this process has from malloc and has not freed. */
function allocatedBytes(): number {
  const { uordblks, hblkhd } = mallinfo() as { uordblks: number; hblkhd: number };
  return uordblks + hblkhd;
}

describe.runIf(process.getuid?.() === 0)("nft without its process", () => {
  let namespaces: Namespaces;
  let session: NftSession;

  beforeAll(() => {
    namespaces = createNamespaces("r2k-nft-");
    enterNetns(namespaces.add("node"));
    session = new NftSession();
  });
  afterAll(() => {
    session[Symbol.dispose]();
    namespaces.close();
  });

  it("applies a transaction in the namespace in which it was made", async () => {
    const before = nftGeneration();
    await session.apply(`add table ip ${TABLE}\n${MAP}\n`);
    expect([nftGeneration(), session.generation()]).toEqual([before + 1, before + 1]);
    enterNetns(namespaces.add("other"));
    await session.apply(`add element ip ${TABLE} m { 80 : drop, 81 : accept }\n`);
    expect(nftTableExists("ip", TABLE)).toBe(false);
    enterNetns(`${namespaces.root}/node`);
    const [, found] = await listRuleset(["map", "ip", TABLE, "m"]);
    expect(found?.["map"]?.["elem"]).toHaveLength(2);
  });

  it("applies all of a transaction or nothing", async () => {
    const before = nftGeneration();
    const text = `add element ip ${TABLE} m { 82 : drop }\ndelete element ip ${TABLE} m { 99 }\n`;
    await expect(session.apply(text)).rejects.toMatchObject({ name: "NftError", code: "ENOENT" });
    await expect(session.apply("nonsense\n")).rejects.toMatchObject({ code: "nft-refused" });
    expect(nftGeneration()).toBe(before);
  });

  it("sees what other programs did in between", async () => {
    await deleteTable("ip", TABLE);
    const element = `add element ip ${TABLE} m { 80 : drop }\n`;
    await expect(session.apply(element)).rejects.toMatchObject({ code: "ENOENT" });
    await session.apply(`add table ip ${TABLE}\n${MAP}\n${element}`);
  });

  it("deletes a table that nothing uses, but not if others change it meanwhile", async () => {
    const name = `${TABLE}-3`;
    await applyRuleset(`add table netdev ${name}\n`);
    let looks = 0;
    const hasChains = (objects: readonly NftObject[]) => {
      if (looks++ === 0) execFileSync("nft", ["add", "chain", "netdev", name, "c"]);
      return objects.some(({ chain }) => chain);
    };
    await deleteUnused("netdev", name, hasChains);
    expect([looks, nftTableExists("netdev", name)]).toEqual([2, true]);
    await deleteUnused("netdev", name, () => false);
    await deleteUnused("netdev", name, () => false);
    expect(nftTableExists("netdev", name)).toBe(false);
  });

  it("keeps nothing of the ruleset between two transactions", async () => {
    await session.apply("");
    const before = allocatedBytes();
    await session.apply("add chain ip r2k-session c\nadd rule ip r2k-session c counter\n");
    // V8's compiler, in threads of its own, allocates for a while too.
    await expect.poll(() => allocatedBytes() - before).toBeLessThan(128 * 1024);
  });

  it("does not apply by a descriptor that select(2) does not take", () => {
    const many = Array.from({ length: 1_024 }, () => openSync("/dev/null", "r"));
    try {
      using late = new NftSession();
      expect([late.canApply, session.canApply]).toEqual([false, true]);
      expect(late.generation()).toBe(nftGeneration());
      expect(() => late.apply("")).toThrow(/select/);
    } finally {
      many.forEach((fd) => closeSync(fd));
    }
  });

  it("knows its socket where another thread closed a descriptor of the same number", () => {
    const many = Array.from({ length: 1_024 }, () => openSync("/dev/null", "r"));
    const reused = new NetlinkSocket(NETLINK_NETFILTER);
    const before = sockets();
    let listings = 0;
    const listed = () => {
      const found = openSockets();
      if (listings++ === 0) reused[Symbol.dispose]();
      return found;
    };
    try {
      using late = new NftSession(listed);
      expect([late.canApply, listings]).toEqual([false, 2]);
      const opened = [...sockets()].filter(([socket]) => !before.has(socket));
      expect(opened.map(([, inherited]) => inherited)).toEqual([false, false]);
    } finally {
      many.forEach((fd) => closeSync(fd));
    }
  });

  it("does not apply by a socket that it did not find", () => {
    const found = openSockets();
    using other = new NftSession(() => found);
    expect(other.canApply).toBe(false);
  });

  it("has a socket that no started program inherits", () => {
    const before = sockets();
    using other = new NftSession();
    const opened = [...sockets()].filter(([socket]) => !before.has(socket));
    expect([other instanceof NftSession, opened.map(([, inherited]) => inherited)]).toEqual([
      true,
      [false, false],
    ]);
  });

  it("applies rulesets of this process without a program, also after one that is refused", async () => {
    const { PATH } = process.env;
    applyInProcess(systemClock());
    process.env["PATH"] = "/nowhere";
    try {
      const missing = applyRuleset(`delete element ip ${TABLE} m { 99 }\n`);
      await expect(missing).rejects.toMatchObject({ code: "ENOENT" });
      await applyRuleset(`add table ip ${TABLE}-2\n`);
      const other = applyRuleset("", { netns: `${namespaces.root}/other` });
      await expect(other).rejects.toMatchObject({ code: "nft-missing" });
    } finally {
      process.env["PATH"] = PATH;
      setApplyHere(async () => false);
    }
    expect(nftTableExists("ip", `${TABLE}-2`)).toBe(true);
  });
});

it("a transaction of the library that does not end is given up after the program's time", async () => {
  const clock = new ManualClock();
  const { PATH } = process.env;
  let end = () => {};
  const [before, closed] = [process.listenerCount("exit"), vi.fn()];
  const begun = vi.fn(() => new Promise<void>((resolve) => (end = resolve)));
  applyInProcess(clock, () => ({ canApply: true, apply: begun, [Symbol.dispose]: closed }));
  process.env["PATH"] = "/nowhere";
  try {
    const first = expect(applyRuleset("")).rejects.toMatchObject({
      code: "nft-failed",
      message: "the nftables library has not ended after 60000 ms",
    });
    const next = expect(applyRuleset("")).rejects.toMatchObject({ code: "nft-missing" });
    await expect.poll(() => begun).toHaveBeenCalledTimes(1);
    clock.advance(60_000);
    await Promise.all([first, next]);
    // Node would wait for the thread, so that the process is killed at its end until then.
    expect(process.listenerCount("exit")).toBe(before + 1);
    end();
    await expect.poll(() => process.listenerCount("exit")).toBe(before);
    expect(closed).not.toHaveBeenCalled();
  } finally {
    process.env["PATH"] = PATH;
    setApplyHere(async () => false);
  }
});
