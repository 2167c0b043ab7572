import { type Cidr, covers, hasAddress, overlap, parseCidr } from "@raft2kube/api/cidr.ts";
import type { Condition } from "@raft2kube/api/gen/meta/v1.ts";
import type { IPAddress, ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { SERVICE_CIDR_GRACE_MS } from "../limits.ts";

export const FINALIZER = "networking.k8s.io/service-cidr-finalizer";

/** The label of addresses that the apiservers allocate to Services. */
const MANAGED_BY = "ipaddress.kubernetes.io/managed-by";
const ALLOCATOR = "ipallocator.k8s.io";

export type Readiness = Pick<Condition, "type" | "status" | "reason" | "message">;

/** The action for one ServiceCIDR. */
export type CidrPlan =
  /** The range may be used: it has the finalizer and is ready. */
  | { do: "protect"; condition: Readiness }
  /** The range is being deleted, and addresses would be in no range without it. */
  | { do: "block"; condition: Readiness }
  /** The range's deletion may not be known to every apiserver yet. */
  | { do: "wait"; again_ms: number }
  | { do: "release" };

const READY: Readiness = {
  type: "Ready",
  status: "True",
  reason: "",
  message: "Kubernetes Service CIDR is ready",
};
const TERMINATING: Readiness = {
  type: "Ready",
  status: "False",
  reason: "Terminating",
  message:
    "There are still IPAddresses referencing the ServiceCIDR, " +
    "please remove them or create a new ServiceCIDR",
};

/** `others` are all ServiceCIDRs but this one, `addresses` all IPAddresses. */
export function planServiceCidr(
  serviceCidr: ServiceCIDR,
  others: readonly ServiceCIDR[],
  addresses: readonly IPAddress[],
  now_ms: number,
): CidrPlan {
  const { deletionTimestamp } = serviceCidr.metadata;
  if (deletionTimestamp === undefined) return { do: "protect", condition: READY };
  if (isNeeded(serviceCidr, others, addresses)) return { do: "block", condition: TERMINATING };
  const again_ms = (timeOf(deletionTimestamp) ?? 0) + SERVICE_CIDR_GRACE_MS - now_ms;
  return again_ms > 0 ? { do: "wait", again_ms } : { do: "release" };
}

/** Whether an allocated address is in this ServiceCIDR and in no other. */
function isNeeded(
  serviceCidr: ServiceCIDR,
  others: readonly ServiceCIDR[],
  addresses: readonly IPAddress[],
): boolean {
  const own = networksOf(serviceCidr);
  const rest = others.flatMap(networksOf);
  if (own.every((network) => rest.some((other) => covers(other, network)))) return false;
  return addresses.some((address) => {
    const { name = "" } = address.metadata;
    const holds = (network: Cidr) => hasAddress(network, name);
    return isAllocated(address) && own.some(holds) && !rest.some(holds);
  });
}

/** Whether the apiservers gave the address to a Service; others use ranges of their own. */
function isAllocated({ metadata }: IPAddress): boolean {
  return metadata.labels?.[MANAGED_BY] === ALLOCATOR;
}

function networksOf({ spec }: ServiceCIDR): Cidr[] {
  return (spec.cidrs ?? []).flatMap((text) => parseCidr(text) ?? []);
}

/** Whether the deletion of one may depend on the other. */
export function doOverlap(one: ServiceCIDR, other: ServiceCIDR): boolean {
  const networks = networksOf(other);
  return networksOf(one).some((network) => networks.some((each) => overlap(network, each)));
}

/** Whether an address may keep a ServiceCIDR. */
export function mayKeep(serviceCidr: ServiceCIDR, address: IPAddress): boolean {
  const { name = "" } = address.metadata;
  return (
    isAllocated(address) && networksOf(serviceCidr).some((network) => hasAddress(network, name))
  );
}

/** Whether the status says so already. */
export function says({ status }: ServiceCIDR, wanted: Readiness): boolean {
  const known = status?.conditions?.find(({ type }) => type === wanted.type);
  return (
    known !== undefined &&
    known.status === wanted.status &&
    known.message === wanted.message &&
    (known.reason ?? "") === wanted.reason
  );
}
