import { DeleteRangeRequest, PutRequest, RangeRequest } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import type { KvInput } from "../../../testing/history/kv-model.ts";
import type { LoggedRevision } from "./event-log.ts";
import type { Recorded } from "./recorder.ts";
import { Replay } from "./replay.ts";

const key = Buffer.from("k1");
const put = (value: string): KvInput => ({
  kind: "put",
  request: { ...PutRequest.create(), key, value: Buffer.from(value) },
});
const remove: KvInput = { kind: "delete-range", request: { ...DeleteRangeRequest.create(), key } };
const read: KvInput = { kind: "range", request: { ...RangeRequest.create(), key } };

let clock = 0;
const received = (input: KvInput, answer: string): Recorded => {
  return { input, began: ++clock, ended: ++clock, answer };
};
const unheard = (input: KvInput): Recorded => {
  return { input, began: ++clock, ended: Infinity, answer: undefined };
};
const revision = (at: number, ...what: string[]): LoggedRevision => {
  return { revision: at, what, received_ms: at };
};

test("known good: requests answered and unheard have their revisions, reads fit between", () => {
  const replay = new Replay();
  const late = unheard(put("y"));
  replay.round(
    [revision(2, "PUT k1=x 2/2/1")],
    [received(put("x"), "@2 put"), received(read, "@2 1: k1=x 2/2/1")],
    [late],
  );
  const removal = unheard(remove);
  const log = [revision(3, "PUT k1=y 2/3/2"), revision(4, "DELETE k1")];
  replay.round(log, [received(read, "@4 0: ")], [removal]);
  expect(replay.state.revision).toBe(4);
  expect(replay.checked).toBe(5);
});

test("known good: a lease ends by itself", () => {
  const replay = new Replay();
  const grant: KvInput = { kind: "lease-grant", request: { ID: 7n, TTL: 4 } };
  const request = { ...PutRequest.create(), key, value: Buffer.from("x"), lease: 7n };
  const log = [revision(2, "PUT k1=x 2/2/1 lease 7"), revision(3, "DELETE k1")];
  const known = [received(grant, "@1 lease 7 for 4"), received({ kind: "put", request }, "@2 put")];
  replay.round(log, known, []);
  expect(replay.ended.get(7n)).toBe(3);
});

test("known bad: a revision without a request", () => {
  const log = [revision(2, "PUT k1=ghost 2/2/1")];
  expect(() => new Replay().round(log, [], [unheard(put("x"))])).toThrow("2 has no request");
});

test("known bad: an acknowledged request is lost", () => {
  const log = [revision(2, "PUT k1=y 2/2/1")];
  const known = [received(put("x"), "@2 put"), received(put("y"), "@2 put")];
  expect(() => new Replay().round(log, known, [])).toThrow("acknowledged is there");
  const none = () => new Replay().round([], [received(put("x"), "@2 put")], []);
  expect(none).toThrow("acknowledged is there");
});

test("known bad: a read from the past, unless it is one that any member may answer", () => {
  const known = [received(put("x"), "@2 put"), received(read, "@1 0: ")];
  const log = [revision(2, "PUT k1=x 2/2/1")];
  const request = { ...RangeRequest.create(), key, serializable: true };
  new Replay().round(log, [known[0]!, received({ kind: "range", request }, "@1 0: ")], []);
  expect(() => new Replay().round(log, known, [])).toThrow("linearizability");
});
