import { existsSync } from "node:fs";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { RequestOp, TxnRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytes, expectError, shorthand } from "./fixture.ts";
import {
  ETCD_36_PROGRAM,
  ETCD_PROGRAM,
  type Running,
  servedWith,
  startEtcd,
} from "./implementations.ts";
import { Watching } from "./watch-fixture.ts";

const OPERATIONS_MAX = 10;
const REQUEST_BYTES_MAX = 600_000;
/** The largest gRPC message that etcd receives, and sends to watches that want fragments. */
const MESSAGE_BYTES_MAX = REQUEST_BYTES_MAX + 512 * 1024;
/** More than an entry of the log says beside its request. */
const ENTRY_BYTES = 200;

/** Rules for --max-txn-ops and --max-request-bytes with values other than the defaults. */
function limitRules(start: () => Promise<Running>): void {
  let running: Running;
  beforeAll(async () => {
    running = await start();
  });
  afterAll(() => running.stop());
  const client = () => running.client;
  const put = (i: number, size = 0): Init<RequestOp> => ({
    requestPut: { key: bytes(`k${i}`), value: Buffer.alloc(size, 65) },
  });
  const puts = (count: number, size = 0) => Array.from({ length: count }, (_, i) => put(i, size));

  test("a transaction takes so many operations and no more, on every side of it", async () => {
    const tooMany = (request: Init<TxnRequest>) => expectError(client().txn(request), "tooManyOps");
    const compare = Array.from({ length: OPERATIONS_MAX }, () => ({ key: bytes("k") }));
    const most = puts(OPERATIONS_MAX);
    await client().txn({ compare, success: most, failure: most });
    await tooMany({ success: puts(OPERATIONS_MAX + 1) });
    await tooMany({ failure: puts(OPERATIONS_MAX + 1) });
    await tooMany({ compare: [...compare, { key: bytes("k") }] });
  });

  test("a request past the bytes is refused, and nothing of it happens", async () => {
    const key = bytes("large");
    const value = (size: number) => Buffer.alloc(size, 66);
    const largest = value(REQUEST_BYTES_MAX - ENTRY_BYTES);
    await client().put({ key, value: largest });
    await expectError(client().put({ key, value: value(REQUEST_BYTES_MAX) }), "requestTooLarge");
    const many = { success: puts(OPERATIONS_MAX, REQUEST_BYTES_MAX / OPERATIONS_MAX) };
    await expectError(client().txn(many), "requestTooLarge");
    const { kvs } = await client().range({ key });
    expect(kvs[0]!.version).toBe(1);
    expect(kvs[0]!.value.equals(largest)).toBe(true);
    expect((await shorthand(client()).get("k0"))?.version).toBe(1);
  });

  test("a message past what gRPC takes is refused before it is read", async () => {
    const size = MESSAGE_BYTES_MAX + 1;
    const refused = await client()
      .put({ key: bytes("k"), value: Buffer.alloc(size) })
      .catch((thrown: unknown) => thrown);
    // The key, the value, and their tags and lengths.
    const message = size + 3 + 4;
    expect(refused).toMatchObject({
      status: Status.RESOURCE_EXHAUSTED,
      message: `grpc: received message larger than max (${message} vs. ${MESSAGE_BYTES_MAX})`,
    });
  });

  test("a watch that wants fragments gets them from there on", async () => {
    const range = { key: bytes("f"), rangeEnd: bytes("g"), prevKv: true };
    const events = (name: string): Init<RequestOp>[] =>
      [0, 1, 2].map((i) => ({
        requestPut: { key: bytes(`f${i}`), value: Buffer.alloc(190_000, name) },
      }));
    await client().txn({ success: events("a") });
    const [cut, whole] = [new Watching(client()), new Watching(client())];
    await cut.create({ ...range, fragment: true });
    await whole.create(range);
    // With the records before they are more than one message holds.
    await client().txn({ success: events("b") });
    const shape = ({ fragment, events: part }: WatchResponse) => [
      fragment,
      ...part.map(({ kv, prevKv }) => `${kv!.key} ${prevKv!.value.length}`),
    ];
    expect([shape(await cut.next()), shape(await cut.next())]).toEqual([
      [true, "f0 190000", "f1 190000"],
      [false, "f2 190000"],
    ]);
    expect(shape(await whole.next())).toEqual([false, "f0 190000", "f1 190000", "f2 190000"]);
    await cut.close();
    await whole.close();
  });
}

const FLAGS = [`--max-txn-ops=${OPERATIONS_MAX}`, `--max-request-bytes=${REQUEST_BYTES_MAX}`];

describe("limits of requests", () => {
  const limits = { transactionOperations_max: OPERATIONS_MAX, requestBytes_max: REQUEST_BYTES_MAX };
  describe("ours", () => limitRules(() => servedWith(limits)));
  describe.runIf(existsSync(ETCD_PROGRAM))("etcd 3.4", () =>
    limitRules(() => startEtcd(ETCD_PROGRAM, FLAGS)),
  );
});
describe.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6", () =>
  limitRules(() => startEtcd(ETCD_36_PROGRAM, FLAGS)),
);
