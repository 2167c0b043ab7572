import {
  Event_EventType as EventType,
  type KeyValue,
  WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { fragments } from "./fragment.ts";

function kv(name: string, bytes: number): KeyValue {
  const revisions = { createRevision: 2, modRevision: 300, version: 1, lease: 0n };
  return { key: Buffer.from(name), value: Buffer.alloc(bytes, 1), ...revisions };
}

/** A response whose events have values of these sizes. */
function responseOf(...sizes: number[]): WatchResponse {
  const events = sizes.map((bytes, i) => {
    return { type: EventType.PUT, kv: kv(`key-${i}`, bytes), prevKv: kv(`key-${i}`, 1) };
  });
  const header = { clusterId: 2n ** 64n - 1n, memberId: 5n, revision: 300, raftTerm: 2 };
  const init = { header, watchId: 7n, events };
  return WatchResponse.decode(WatchResponse.encode(init));
}

const wireSize = (response: WatchResponse) => WatchResponse.encode(response).length;
const shape = (parts: WatchResponse[]) =>
  parts.map(({ fragment, events }) => `${events.length}${fragment ? " and more" : ""}`);

test("a response is cut from the limit on, and below it whole", () => {
  const response = responseOf(1_000, 1_000, 1_000);
  const size = wireSize(response);
  expect(fragments(response, size + 1)).toEqual([response]);
  expect(shape(fragments(response, size))).toEqual(["2 and more", "1"]);
});

test("each part is below the limit by a byte at least, and no smaller than it must be", () => {
  // The size of a fragment of two with its mark; one byte less has no room for the second.
  const two = wireSize({ ...responseOf(1_000, 1_000), fragment: true });
  const response = responseOf(1_000, 1_000, 1_000, 1_000, 1_000);
  expect(shape(fragments(response, two + 1))).toEqual(["2 and more", "2 and more", "1"]);
  for (const part of fragments(response, two + 1)) expect(wireSize(part)).toBeLessThan(two + 1);
  expect(shape(fragments(response, two))).toEqual([
    ...["1 and more", "1 and more", "1 and more", "1 and more"],
    "1",
  ]);
});

test("an event that is too large goes alone, and nothing is lost or moved", () => {
  const response = responseOf(10, 5_000, 20, 30, 40_000);
  const parts = fragments(response, 2_000);
  expect(shape(parts)).toEqual(["1 and more", "1 and more", "2 and more", "1"]);
  expect(parts.flatMap(({ events }) => events)).toEqual(response.events);
  for (const { header, watchId } of parts) {
    expect({ header, watchId }).toEqual({ header: response.header, watchId: 7n });
  }
  expect(fragments(responseOf(40_000), 2_000)).toHaveLength(1);
});
