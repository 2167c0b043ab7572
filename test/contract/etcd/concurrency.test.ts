import { existsSync } from "node:fs";
import { Election, Lock } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { endOf, freshPrefix } from "./fixture.ts";
import {
  ETCD_36_PROGRAM,
  ETCD_PROGRAM,
  type Implementation,
  type Running,
  served,
  threeMembers,
  upstream,
  upstream36,
} from "./implementations.ts";

const b64 = (text: string | Buffer) => Buffer.from(text).toString("base64");
const text = (base64: string) => Buffer.from(base64, "base64").toString();

type Holder = { key: string };

interface Elected {
  leader: { name: string; key: string; rev: string; lease: string };
}

interface Observed {
  result: { kv: { key: string; value: string } };
}

/** etcd's lock and election services, through the JSON gateway as scripts use them. */
function concurrency(implementation: Implementation): void {
  let running: Running;
  beforeAll(async () => {
    running = await implementation.start();
  });
  afterAll(() => running.stop());

  const request = (path: string, body: object, signal?: AbortSignal) =>
    fetch(`${running.endpoint}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  const post = async <R>(path: string, body: object): Promise<R> => {
    const response = await request(path, body);
    expect(response.status).toBe(200);
    return (await response.json()) as R;
  };
  const grant = async () => String((await running.client.leaseGrant({ TTL: 60 })).ID);
  const contenders = async (name: string) => {
    const range = { key: Buffer.from(`${name}/`), rangeEnd: endOf(`${name}/`) };
    return (await running.client.range(range)).kvs.length;
  };
  /** Resolves when so many keys compete for a name. */
  const waitForContenders = (name: string, count: number) =>
    waitFor(`${count} contenders`, async () => (await contenders(name)) === count);
  /** Notes whether a promise has settled. */
  const watched = <R>(promise: Promise<R>) => {
    const state = { settled: false, promise };
    void promise.finally(() => (state.settled = true)).catch(() => undefined);
    return state;
  };
  const nameOf = () => `${freshPrefix()}lock`;

  test("a lock is held by one lease: the next has it once it is unlocked", async () => {
    const name = nameOf();
    const first = await post<Holder>("lock/lock", { name: b64(name) });
    expect(text(first.key)).toMatch(new RegExp(`^${name}/[0-9a-f]+$`));
    const lease = await grant();
    const second = watched(post<Holder>("lock/lock", { name: b64(name), lease }));
    await waitForContenders(name, 2);
    expect(second.settled).toBe(false);
    await post("lock/unlock", { key: first.key });
    expect(text((await second.promise).key)).toBe(`${name}/${BigInt(lease).toString(16)}`);
  });

  test("the same lease has a lock twice, and loses it with its key", async () => {
    const [name, lease] = [nameOf(), await grant()];
    const first = await post<Holder>("lock/lock", { name: b64(name), lease });
    const second = await post<Holder>("lock/lock", { name: b64(name), lease });
    expect(second.key).toBe(first.key);
    const next = post<Holder>("lock/lock", { name: b64(name) });
    await waitForContenders(name, 2);
    await running.client.leaseRevoke({ ID: BigInt(lease) });
    expect((await next).key).not.toBe(first.key);
  });

  test("a call that ends gives its place up", async () => {
    const name = nameOf();
    const first = await post<Holder>("lock/lock", { name: b64(name) });
    const gone = new AbortController();
    const second = request("lock/lock", { name: b64(name) }, gone.signal);
    await waitForContenders(name, 2);
    const third = watched(post<Holder>("lock/lock", { name: b64(name) }));
    await waitForContenders(name, 3);
    gone.abort();
    await expect(second).rejects.toThrow();
    await waitForContenders(name, 2);
    expect(third.settled).toBe(false);
    await post("lock/unlock", { key: first.key });
    await third.promise;
  });

  test("an election: the next leads when the leader resigns; observers see each", async () => {
    const name = nameOf();
    const values = valuesOf(request("election/observe", { name: b64(name) }));
    const first = await post<Elected>("election/campaign", { name: b64(name), value: b64("a") });
    expect((await values.next()).value).toBe("a");
    const second = watched(
      post<Elected>("election/campaign", { name: b64(name), value: b64("b") }),
    );
    await waitForContenders(name, 2);
    await post("election/proclaim", { leader: first.leader, value: b64("again") });
    expect((await values.next()).value).toBe("again");
    expect(second.settled).toBe(false);
    await post("election/resign", { leader: first.leader });
    const elected = await second.promise;
    expect((await values.next()).value).toBe("b");
    const { kv } = await post<Observed["result"]>("election/leader", { name: b64(name) });
    expect(kv.key).toBe(elected.leader.key);
    const late = await request("election/proclaim", { leader: first.leader, value: b64("c") });
    expect(await late.json()).toMatchObject({ code: 2, message: "election: not leader" });
    await values.return(undefined);
  });

  test("clients of gRPC", async () => {
    const channel = connectGrpc(running.endpoint!);
    try {
      const [locks, elections] = [client(channel, Lock), client(channel, Election)];
      const name = Buffer.from(nameOf());
      const { key } = await locks.lock({ name });
      expect((await locks.unlock({ key })).header!.revision).toBeGreaterThan(0);
      const { leader } = await elections.campaign({ name, value: Buffer.from("a") });
      expect((await elections.leader({ name })).kv!.key).toEqual(leader!.key);
      for await (const { kv } of elections.observe({ name })) {
        expect(kv!.value.toString()).toBe("a");
        break;
      }
      await elections.proclaim({ leader, value: Buffer.from("b") });
      await elections.resign({ leader });
      await expect(elections.leader({ name })).rejects.toMatchObject({
        status: Status.UNKNOWN,
        message: "election: no leader",
      });
    } finally {
      await channel.close();
    }
  });

  test("campaigning again with another value proclaims it", async () => {
    const [name, lease] = [nameOf(), await grant()];
    const campaign = (value: string) =>
      post<Elected>("election/campaign", { name: b64(name), lease, value: b64(value) });
    const first = await campaign("a");
    expect((await campaign("b")).leader).toEqual(first.leader);
    const { kv } = await post<Observed["result"]>("election/leader", { name: b64(name) });
    expect(text(kv.value)).toBe("b");
  });
}

/** The leaders' values in a response to Observe, as they come; its end closes the stream. */
async function* valuesOf(responded: Promise<Response>): AsyncGenerator<string, undefined> {
  const { body } = await responded;
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body!) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield text((JSON.parse(line) as Observed).result.kv.value);
  }
  return undefined;
}

describe("over the gateway", () => concurrency(served));
describe("a follower of three", () => concurrency(threeMembers));
describe.runIf(existsSync(ETCD_PROGRAM))("etcd", () => concurrency(upstream));
describe.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6", () => concurrency(upstream36));
