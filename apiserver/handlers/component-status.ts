import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { ComponentStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { matchesLabels, parseLabelSelector } from "@raft2kube/api/selector.ts";
import { notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { STORE_CHECK_TIMEOUT_MS } from "../limits.ts";
import { objectAnswer } from "../request/answer.ts";
import { keyOf } from "../storage/keys.ts";
import type { ApiServer, Serve } from "./server.ts";

/** Components by upstream's names, and the leases that they renew while they live. */
const LEASES = [
  ["controller-manager", "kube-controller-manager"],
  ["scheduler", "kube-scheduler"],
] as const;

/** Upstream has it in the singular here. */
const SUBJECT = { group: "", name: "componentstatus" };

/**
 * ComponentStatuses, of which nothing is stored. Upstream asks ports of its own machine; the parts
 * may be anywhere here, so their leases are looked at.
 */
export const serveComponentStatus: Serve = async (server, resource, { info, query }) => {
  const all = [...(await leaseHolders(server)), await storeStatus(server)];
  const { kind } = resource;
  if (info.verb === "list") {
    // They have no labels, but a selector may say what they must not have.
    const labels = parseLabelSelector(query.get("labelSelector") ?? "");
    const chosen = matchesLabels(labels, {}) ? all : [];
    const items = chosen.map((each) => Buffer.from(JSON.stringify(each)));
    return { type: "list", list: { kind, revision: 0, items } };
  }
  const found = all.find(({ metadata }) => metadata.name === info.name);
  if (found === undefined) throw notFound(SUBJECT, info.name);
  return objectAnswer(found, kind);
};

async function leaseHolders(server: ApiServer): Promise<ComponentStatus[]> {
  const leases = server.resources.of("coordination.k8s.io/v1", "leases");
  const cache = await leases.cache();
  return LEASES.map(([name, leaseName]) => {
    const entry = cache.get(keyOf(leases.kind, "kube-system", leaseName));
    const wrong = whatIsWrong(entry?.shared<Lease & KubeObject>(), server.clock.now());
    return statusOf(name, wrong);
  });
}

function whatIsWrong(lease: Lease | undefined, now_ms: number): string | undefined {
  const { holderIdentity = "", renewTime, leaseDurationSeconds = 0 } = lease?.spec ?? {};
  if (holderIdentity === "" || renewTime === undefined) return "its lease has no holder";
  const ended = Date.parse(renewTime) + leaseDurationSeconds * 1_000 < now_ms;
  return ended ? `its lease was last renewed at ${renewTime}` : undefined;
}

async function storeStatus({ etcd }: ApiServer): Promise<ComponentStatus> {
  try {
    await etcd.range({ key: Buffer.from("/health") }, { timeout_ms: STORE_CHECK_TIMEOUT_MS });
    return statusOf("etcd-0", undefined);
  } catch (thrown) {
    return statusOf("etcd-0", messageOf(thrown));
  }
}

function statusOf(name: string, wrong: string | undefined): ComponentStatus {
  const health =
    wrong === undefined
      ? { type: "Healthy", status: "True", message: "ok" }
      : { type: "Healthy", status: "False", message: wrong };
  return { kind: "ComponentStatus", apiVersion: "v1", metadata: { name }, conditions: [health] };
}
