import type { ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { timeText } from "../registry/metadata.ts";
import { applyStatus, ensure } from "../registry/internal-write.ts";

const NAME = "kubernetes";
const CONTROLLER = "kubernetes-service-cidr-controller";

/** The range of Services as an object, for those who want to know it. */
export async function ensureServiceCidr(core: Core): Promise<void> {
  const resource = core.registry.of("networking.k8s.io/v1", "servicecidrs");
  const cidrs = [core.options.serviceCidr];
  const wanted: ServiceCIDR & KubeObject = { metadata: { name: NAME }, spec: { cidrs } };
  await ensure(core, resource, wanted);
  const { spec, status } = await resource.store.get<typeof wanted>("", NAME);
  const isOurs = spec?.cidrs?.length === 1 && spec.cidrs[0] === cidrs[0];
  const known = status?.conditions?.find(({ type }) => type === "Ready");
  // What others said of it stays, and one of another range is not ours to vouch for.
  if (!isOurs || (known !== undefined && known.status !== "Unknown")) return;
  const ready = {
    type: "Ready",
    status: "True",
    message: "Kubernetes default Service CIDR is ready",
    lastTransitionTime: timeText(core.clock.now()),
  };
  await applyStatus(core, resource, NAME, { conditions: [ready] }, CONTROLLER);
}
