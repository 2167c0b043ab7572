import type { ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { BootstrapServer } from "./server.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { applyStatus, ensure } from "../registry/internal-write.ts";

const NAME = "kubernetes";
const CONTROLLER = "kubernetes-service-cidr-controller";

/** Creates the ServiceCIDR object, which shows the range to clients. */
export async function ensureServiceCidr(server: BootstrapServer): Promise<void> {
  const resource = server.resources.of("networking.k8s.io/v1", "servicecidrs");
  const cidrs = [server.options.serviceCidr];
  const wanted: ServiceCIDR & KubeObject = { metadata: { name: NAME }, spec: { cidrs } };
  await ensure(server, resource, wanted);
  const { spec, status } = await resource.store.get<typeof wanted>("", NAME);
  const isOurs = spec?.cidrs?.length === 1 && spec.cidrs[0] === cidrs[0];
  const known = status?.conditions?.find(({ type }) => type === "Ready");
  // A condition that others set stays, and another range is not this server's to report.
  if (!isOurs || (known !== undefined && known.status !== "Unknown")) return;
  const ready = {
    type: "Ready",
    status: "True",
    message: "Kubernetes default Service CIDR is ready",
    lastTransitionTime: timeText(server.clock.now()),
  };
  await applyStatus(server, resource, NAME, { conditions: [ready] }, CONTROLLER);
}
