import { readFileSync } from "node:fs";
import { Etcd3, type IOptions } from "etcd3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { SecureMembers } from "./secure-members.ts";

/** A leader's end, an election, and a client that finds its way, on a busy machine. */
const TURNS_MS = 120_000;
/** More than that takes, so that the lease ends for no other reason than not being renewed. */
const LEASE_TTL_S = 30;

function until(what: string, condition: () => boolean): Promise<boolean> {
  return waitFor(what, condition, { timeout_ms: TURNS_MS });
}

/**
 * Asks until there is an answer: the client tries one member for a call, maybe the one that died,
 * or one that has no leader yet.
 */
async function persist<R>(what: string, call: () => PromiseLike<R>): Promise<R> {
  const asking = async () => ({ answer: await call() });
  return (await waitFor(what, asking, { timeout_ms: TURNS_MS })).answer;
}

/** The npm client `etcd3` over TLS, while one of three members dies. */
export function etcd3FailoverRules(members: () => SecureMembers): void {
  let credentials: NonNullable<IOptions["credentials"]>;
  let client: Etcd3;
  beforeAll(async () => {
    const { ca, cert, key } = await members().filesFor("etcd3");
    const [rootCertificate, privateKey, certChain] = [ca, key, cert].map((path) => {
      return readFileSync(path);
    }) as [Buffer, Buffer, Buffer];
    credentials = { rootCertificate, privateKey, certChain };
    client = new Etcd3({ hosts: members().endpoints, credentials });
  });
  afterAll(() => client?.close());

  const put = (key: string, value: string) =>
    persist(`a put of ${key}`, () => client.put(key).value(value));

  test("a client without a certificate is not served", async () => {
    const { rootCertificate } = credentials;
    const hosts = members().endpoints;
    const stranger = new Etcd3({ hosts, credentials: { rootCertificate } });
    await expect(stranger.get("k").exec()).rejects.toThrow();
    stranger.close();
  });

  test(
    "reads, writes, a watch and a lease outlive the leader",
    async () => {
      const watcher = await persist("a watch", () => client.watch().prefix("told/").create());
      const recorded: string[] = [];
      watcher.on("put", ({ value }) => recorded.push(value.toString()));
      const lease = client.lease(LEASE_TTL_S);
      let lost: unknown;
      lease.on("lost", (reason) => (lost = reason));
      await persist("a lease", () => lease.put("leased").value("kept"));
      await put("told/before", "before");
      await until("the watch", () => recorded.includes("before"));

      const operator = await members().client();
      const leader = await members().leader(operator);
      await operator.close();
      await members().kill(leader);
      try {
        for (const value of ["first", "second", "third"]) await put(`told/${value}`, value);
        await until("the watch to go on", () => recorded.includes("third"));
        // A put that was tried again may have been done twice; none is missing, none out of order.
        expect([...new Set(recorded)]).toEqual(["before", "first", "second", "third"]);
        const all = () => client.getAll().prefix("told/").count();
        expect(await persist("a list", all)).toBe(4);
        const renewed = await persist("a renewal", () => lease.keepaliveOnce());
        expect(Number(renewed.TTL)).toBeGreaterThan(0);
        expect(await persist("a read", () => client.get("leased").string())).toBe("kept");
        expect(lost).toBeUndefined();
      } finally {
        await members().resume(leader);
      }
      const back = new Etcd3({ hosts: leader.endpoint, credentials });
      expect(await persist("the one that died", () => back.get("told/third").string())).toBe(
        "third",
      );
      back.close();
      lease.release();
      await watcher.cancel();
    },
    4 * TURNS_MS,
  );
}
