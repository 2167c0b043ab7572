import { once } from "node:events";
import {
  Etcd3,
  EtcdLockFailedError,
  EtcdPermissionDeniedError,
  EtcdUserNotFoundError,
  type Lease,
  type Namespace,
  Range,
} from "etcd3";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { freshPrefix } from "./fixture.ts";
import type { Running } from "./implementations.ts";

/** The features of the npm client `etcd3`, in the order of its own test-suite. */
export function etcd3Rules(running: () => Running): void {
  let client: Etcd3;
  let keys: Namespace;
  beforeAll(() => {
    client = new Etcd3({ hosts: running().endpoint! });
  });
  afterAll(() => client.close());
  beforeEach(() => {
    keys = client.namespace(freshPrefix());
  });
  const use = { client: () => client, keys: () => keys };
  readRules(use);
  writeRules(use);
  txnRules(use);
  leaseRules(use);
  watchRules(use);
  lockAndElectionRules(use);
  authRules(use, running);
}

interface Use {
  client(): Etcd3;
  keys(): Namespace;
}

function readRules({ keys }: Use): void {
  test("get in each form, and of what is not there", async () => {
    await keys().put("n").value(42);
    await keys()
      .put("j")
      .value(JSON.stringify({ a: [1] }));
    expect(await keys().get("n").number()).toBe(42);
    expect(await keys().get("n").string()).toBe("42");
    expect(await keys().get("j").json()).toEqual({ a: [1] });
    expect(await keys().get("n").buffer()).toEqual(Buffer.from("42"));
    expect(await keys().get("n").exists()).toBe(true);
    expect(await keys().get("none")).toBeNull();
    expect(await keys().get("none").exists()).toBe(false);
  });

  test("getAll by prefix and range, sorted, limited, counted", async () => {
    for (const [key, value] of [
      ["p/1", "c"],
      ["p/2", "b"],
      ["p/3", "a"],
      ["q", "d"],
    ] as const) {
      await keys().put(key).value(value);
    }
    expect(await keys().getAll().prefix("p/").strings()).toEqual({
      "p/1": "c",
      "p/2": "b",
      "p/3": "a",
    });
    expect(await keys().getAll().prefix("p/").sort("Value", "Ascend").limit(2).keys()).toEqual([
      "p/3",
      "p/2",
    ]);
    expect(await keys().getAll().prefix("p/").count()).toBe(3);
    const range = { start: "p/2", end: "q" };
    expect(await keys().getAll().inRange(range).keys()).toEqual(["p/2", "p/3"]);
    expect(await keys().getAll().keys()).toEqual(["p/1", "p/2", "p/3", "q"]);
  });

  test("an older revision, and bounds on revisions", async () => {
    const first = await keys().put("k").value("1");
    const second = await keys().put("k").value("2");
    expect(await keys().get("k").revision(first.header.revision)).toBe("1");
    expect(await keys().get("k").minModRevision(second.header.revision)).toBe("2");
    expect(await keys().get("k").maxModRevision(first.header.revision)).toBeNull();
    expect(await keys().get("k").serializable(true)).not.toBeNull();
  });
}

function writeRules({ client, keys }: Use): void {
  test("put keeps a value or a lease, and returns the previous value", async () => {
    await keys().put("k").value("1");
    const before = await keys().put("k").value("2").getPrevious();
    expect(before.value.toString()).toBe("1");
    const { header } = await keys().put("k").touch();
    const { kvs } = await keys().get("k").exec();
    expect(kvs[0]).toMatchObject({ mod_revision: header.revision, version: "3" });
    expect(kvs[0]!.value.toString()).toBe("2");
  });

  test("delete one, a prefix, a range, all; with what was there", async () => {
    const fill = async () => {
      for (const key of ["a", "b/1", "b/2", "c"]) await keys().put(key).value(key);
    };
    await fill();
    expect((await keys().delete().key("a")).deleted).toBe("1");
    const gone = await keys().delete().prefix("b/").getPrevious();
    expect(gone.map(({ value }) => value.toString())).toEqual(["b/1", "b/2"]);
    await fill();
    const range = new Range(Buffer.from("a"), Buffer.from("c"));
    expect((await keys().delete().range(range)).deleted).toBe("3");
    expect((await keys().delete().all()).deleted).toBe("1");
  });

  test("a namespace within a namespace", async () => {
    const inner = keys().namespace("inner/");
    await inner.put("k").value("v");
    expect(await keys().get("inner/k")).toBe("v");
    expect(await inner.getAll().keys()).toEqual(["k"]);
    expect(await client().get("k")).toBeNull();
  });

  test("maintenance and cluster", async () => {
    expect((await client().maintenance.status()).version).toMatch(/^3\./);
    const { members } = await client().cluster.memberList({});
    expect(members.length).toBeGreaterThan(0);
    expect((await client().maintenance.alarm({ action: "Get" })).alarms).toEqual([]);
  });
}

function txnRules({ keys }: Use): void {
  test("if, and, then, else", async () => {
    await keys().put("k").value("1");
    const decide = (value: string) =>
      keys()
        .if("k", "Value", "==", value)
        .and("none", "Create", "==", 0)
        .then(keys().put("k").value("then"), keys().get("k"))
        .else(keys().get("k"))
        .commit();
    const wrong = await decide("2");
    expect(wrong.succeeded).toBe(false);
    expect(wrong.responses[0]!.response_range.kvs[0]!.value.toString()).toBe("1");
    const right = await decide("1");
    expect(right.succeeded).toBe(true);
    expect(right.responses[1]!.response_range.kvs[0]!.value.toString()).toBe("then");
  });

  test("transactions in memory retry after a conflict", async () => {
    await keys().put("sum").value("1");
    let attempts = 0;
    await keys()
      .stm({ retries: 5 })
      .transact(async (tx) => {
        const now = Number(await tx.get("sum"));
        if (attempts++ === 0) await keys().put("sum").value("10");
        await tx.put("sum").value(String(now + 1));
      });
    expect(await keys().get("sum")).toBe("11");
    expect(attempts).toBe(2);
    const lost = keys()
      .stm({ retries: 0 })
      .transact(async (tx) => {
        await tx.get("sum");
        await keys().put("sum").value("0");
        await tx.put("sum").value("lost");
      });
    await expect(lost).rejects.toThrow();
    expect(await keys().get("sum")).toBe("0");
  });
}

function leaseRules({ client, keys }: Use): void {
  test("keys end with their lease, which is kept alive until then", async () => {
    const lease = keys().lease(60);
    await lease.put("k").value("v");
    expect((await lease.keepaliveOnce()).TTL).toBe("60");
    expect(await keys().get("k")).toBe("v");
    await lease.revoke();
    expect(lease.revoked()).toBe(true);
    expect(await keys().get("k")).toBeNull();
  });

  test("one that ends on the server is reported as lost", async () => {
    const lease: Lease = keys().lease(60);
    const id = await lease.grant();
    const lost = once(lease, "lost");
    await client().leaseClient.leaseRevoke({ ID: id });
    // It notices with its next renewal.
    await lease.keepaliveOnce().catch(() => undefined);
    await lost;
    await expect(lease.put("k").value("v")).rejects.toThrow();
  });

  test("a lease let go of ends by itself", async () => {
    const lease = keys().lease(2);
    await lease.put("k").value("v");
    lease.release();
    const gone = async () => !(await keys().get("k").exists());
    await waitFor("the lease to end", gone);
  });
}

function watchRules({ keys }: Use): void {
  test("puts and deletions with what was before; some kinds alone", async () => {
    const watcher = await keys().watch().prefix("w/").withPreviousKV().create();
    const seen: string[] = [];
    watcher.on("put", (kv, old) => seen.push(`put ${kv.value} ${old?.value ?? ""}`));
    watcher.on("delete", (_kv, old) => seen.push(`delete ${old?.value}`));
    const deletions = await keys().watch().prefix("w/").only("delete").create();
    const deleted: string[] = [];
    deletions.on("data", ({ events }) => deleted.push(...events.map(({ type }) => type)));
    await keys().put("w/k").value("1");
    await keys().put("w/k").value("2");
    await keys().put("other").value("x");
    await keys().delete().key("w/k");
    await waitFor("the events", () => seen.length === 3 && deleted.length === 1);
    expect(seen).toEqual(["put 1 ", "put 2 1", "delete 2"]);
    expect(deleted).toEqual(["Delete"]);
    await watcher.cancel();
    await deletions.cancel();
  });

  test("from a revision in the past", async () => {
    const { header } = await keys().put("k").value("1");
    await keys().put("k").value("2");
    const watcher = await keys().watch().key("k").startRevision(header.revision).create();
    const seen: string[] = [];
    watcher.on("put", ({ value }) => seen.push(value.toString()));
    await waitFor("the past", () => seen.length === 2);
    expect(seen).toEqual(["1", "2"]);
    await watcher.cancel();
  });
}

function lockAndElectionRules({ keys }: Use): void {
  test("a lock has one owner, and is free after it", async () => {
    const first = await keys().lock("l").ttl(30).acquire();
    await expect(keys().lock("l").acquire()).rejects.toBeInstanceOf(EtcdLockFailedError);
    await first.release();
    expect(
      await keys()
        .lock("l")
        .do(() => "mine"),
    ).toBe("mine");
  });

  test("an election has one winner, then the next", async () => {
    const election = keys().election("chief", 30);
    const first = await election.campaign("first").wait();
    const observer = await election.observe();
    await waitFor("the first", () => observer.leader() === "first");
    const second = election.campaign("second");
    // Called now: a call after the election waits without end.
    const elected = second.wait();
    await first.proclaim("first again");
    await waitFor("its word", () => observer.leader() === "first again");
    await first.resign();
    await elected;
    await waitFor("the second", () => observer.leader() === "second");
    expect(await election.leader()).toBe("second");
    await observer.cancel();
    await second.resign();
  });
}

function authRules({ client, keys }: Use, running: () => Running): void {
  test("users, roles, permissions; signing in", async () => {
    const all = client();
    const hosts = running().endpoint!;
    const root = await all.user("root").create("secret");
    await root.addRole("root");
    const role = await all.role("reader").create();
    await role.grant({ permission: "Read", range: all.range({ prefix: "open/" }) });
    expect(await role.permissions()).toMatchObject([{ permission: "Read" }]);
    const alice = await all.user("alice").create("pw");
    await alice.addRole(role);
    expect((await alice.roles()).map(({ name }) => name)).toEqual(["reader"]);
    await all.put("open/k").value("v");
    await all.auth.authEnable();
    const asRoot = new Etcd3({ hosts, auth: { username: "root", password: "secret" } });
    const asAlice = new Etcd3({ hosts, auth: { username: "alice", password: "pw" } });
    try {
      expect(await asAlice.get("open/k")).toBe("v");
      await expect(asAlice.get("closed")).rejects.toBeInstanceOf(EtcdPermissionDeniedError);
      await expect(asAlice.put("open/k").value("x")).rejects.toThrow("permission denied");
      await expect(keys().get("k")).rejects.toThrow("user name is empty");
      await expect(asRoot.user("nobody").roles()).rejects.toBeInstanceOf(EtcdUserNotFoundError);
      await asRoot.user("alice").removeRole("reader");
      await expect(asAlice.get("open/k")).rejects.toBeInstanceOf(EtcdPermissionDeniedError);
      await asRoot.user("alice").setPassword("other");
      await asRoot.user("alice").delete();
      await asRoot.role("reader").delete();
      await asRoot.auth.authDisable();
    } finally {
      asRoot.close();
      asAlice.close();
    }
  });
}
