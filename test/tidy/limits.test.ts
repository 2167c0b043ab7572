import { join } from "node:path";
import * as controllers from "@raft2kube/controllers/limits.ts";
import * as kubelet from "@raft2kube/kubelet/limits.ts";
import * as rpc from "@raft2kube/rpc/limits.ts";
import { AssertionError, assertLimits } from "@raft2kube/std/assert.ts";
import * as store from "@raft2kube/store/limits.ts";
import { expect, it } from "vitest";
import { handWritten } from "./sources.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Limits that bound things of different kinds: none of them restricts another. */
const UNRELATED: readonly string[] = [
  "api/limits.ts",
  "apimachinery/limits.ts",
  "base/observe/limits.ts",
  "cli/backup/limits.ts",
  "csi/lib/limits.ts",
  "pod-security/limits.ts",
];

const files = handWritten().filter(
  ({ path }) => path.endsWith("/limits.ts") && !/^(test|testing|labs)\//.test(path),
);

it("limits state how they relate, and hold it", async () => {
  const silent = files.filter(({ text }) => !/^assertLimits\(/m.test(text));
  expect(silent.map(({ path }) => path)).toEqual(UNRELATED);
  for (const { path } of files) await import(join(ROOT, path));
});

it("limits of several packages fit together", () => {
  assertLimits({
    "a node renews its Lease several times before the controller gives it up":
      (3 * kubelet.NODE_LEASE_S * 1_000) / kubelet.NODE_LEASE_RENEWALS < controllers.NODE_GRACE_MS,
    "a node is given up no sooner than its Lease ends":
      kubelet.NODE_LEASE_S * 1_000 <= controllers.NODE_GRACE_MS,
    "a request and what gRPC adds fit into a message":
      store.REQUEST_BYTES_MAX + store.GRPC_OVERHEAD_BYTES <= rpc.MESSAGE_BYTES_MAX,
    "a call to the store outlives the store's own bound":
      store.REQUEST_TIMEOUT_MS < rpc.CALL_TIMEOUT_MS,
  });
});

it("a relation that does not hold is named", () => {
  const wrong = () => assertLimits({ "a frame fits into a message": 2 < 1 + Number("0") });
  expect(wrong).toThrow(AssertionError);
  expect(wrong).toThrow("limits that do not fit together: a frame fits into a message");
});
