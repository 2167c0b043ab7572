import { PutRequest, RangeRequest } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { type KvInput, kvStep } from "../../../testing/history/kv-model.ts";
import { EMPTY_STATE } from "../../../testing/history/kv-state.ts";
import { serializableKept } from "./serializable.ts";

const key = Buffer.from("a");
const put = (value: string): KvInput => ({
  kind: "put",
  request: { ...PutRequest.create(), key, value: Buffer.from(value) },
});
const read: KvInput = {
  kind: "range",
  request: { ...RangeRequest.create(), key, serializable: true },
};
const state = kvStep(kvStep(EMPTY_STATE, put("x")).state, put("y")).state;

test("serializable: an old answer passes, whole and at its own revision", () => {
  serializableKept(read, "@3 1: a=y 2/3/2", state);
  serializableKept(read, "@2 1: a=x 2/2/1", state);
  serializableKept(read, undefined, state);
});

test("serializable: an answer that never was is found, and one from the future", () => {
  expect(() => serializableKept(read, "@3 1: a=x 2/2/1", state)).toThrow("serializable: answered");
  expect(() => serializableKept(read, "@4 1: a=y 2/3/2", state)).toThrow("ahead of 3");
});
