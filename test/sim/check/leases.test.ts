import { PutRequest } from "@raft2kube/proto/gen/etcd.ts";
import { expect, test } from "vitest";
import { type KvInput, kvStep } from "../../../testing/history/kv-model.ts";
import { EMPTY_STATE } from "../../../testing/history/kv-state.ts";
import { type LeaseHistory, leaseRead, leasesKept } from "./leases.ts";

const lease = (change: Partial<LeaseHistory>): LeaseHistory => ({
  id: 7n,
  ttl_s: 2,
  renewals: [
    { asked_ms: 0, answered_ms: 10 },
    { asked_ms: 1_000, answered_ms: 1_010 },
  ],
  expired_ms: undefined,
  ended_ms: undefined,
  ...change,
});

test("lease kept: it ends after its last acknowledged renewal's time, by the fastest clock", () => {
  expect(leasesKept([lease({ expired_ms: 3_000 }), lease({})], 1)).toBe(1);
  leasesKept([lease({ expired_ms: 2_900 })], 1.1);
  expect(() => leasesKept([lease({ expired_ms: 2_900 })], 1)).toThrow("lease kept");
});

test("lease kept: a renewal that was not acknowledged before the end promises nothing", () => {
  const late = { asked_ms: 1_900, answered_ms: 3_500 };
  leasesKept([lease({ expired_ms: 3_000, renewals: [{ asked_ms: 0, answered_ms: 1 }, late] })], 1);
});

const GRANT = { kind: "lease-grant", request: { ID: 7n, TTL: 5 } } as const;
const put = (name: string): KvInput => {
  return { kind: "put", request: { ...PutRequest.create(), key: Buffer.from(name), lease: 7n } };
};

test("lease read: it is as it was at a moment of the call", () => {
  const before = kvStep(EMPTY_STATE, GRANT).state;
  const one = kvStep(before, put("a")).state;
  const after = kvStep(one, put("b")).state;
  const seen = (keys: string[], left_s = 3, ttl_s = 5) => ({ id: 7n, left_s, ttl_s, keys });
  for (const keys of [[], ["a"], ["a", "b"]]) leaseRead(seen(keys), before, after);
  expect(() => leaseRead(seen(["b"]), before, after)).toThrow("lease read");
  expect(() => leaseRead(seen([]), one, after)).toThrow("lease read");
  expect(() => leaseRead(seen(["a"], 3, 6), one, after)).toThrow("lease read");
});

test("lease read: it is missing only before its grant and once it is revoked", () => {
  const missing = { id: 7n, left_s: -1, ttl_s: 0, keys: [] };
  const before = kvStep(EMPTY_STATE, GRANT).state;
  expect(() => leaseRead(missing, before, before)).toThrow("lease read");
  const revoked = kvStep(before, { kind: "lease-revoke", request: { ID: 7n } }).state;
  leaseRead(missing, before, revoked);
  leaseRead(missing, EMPTY_STATE, before);
  // One that is over and not revoked yet exists.
  leaseRead({ ...missing, ttl_s: 5 }, before, before);
});
