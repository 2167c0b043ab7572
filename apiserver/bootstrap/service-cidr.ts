import type { ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import { SERVICE_CIDR_INTERVAL_MS } from "../limits.ts";
import { type Controller, periodic } from "../periodic.ts";
import { InternalEvents } from "../registry/internal-events.ts";
import { applyStatus, ensure } from "../registry/internal-write.ts";
import type { Resource } from "../resource/resource.ts";
import type { BootstrapServer } from "./server.ts";

const NAME = "kubernetes";
const CONTROLLER = "kubernetes-service-cidr-controller";
const log = logger("apiserver");

type Stored = ServiceCIDR & KubeObject;

/**
 * Keeps the ServiceCIDR of `--service-cluster-ip-range` in the cluster, from which the first
 * Services get their addresses (upstream's defaultservicecidr). One of another range is left as it
 * is, and the difference is recorded.
 */
export class DefaultServiceCidr implements Controller {
  readonly #server: BootstrapServer;
  readonly #resource: Resource;
  readonly #events: InternalEvents;
  readonly #mending: Runner;
  /** The message that was recorded last. */
  #reported = "";

  constructor(server: BootstrapServer) {
    this.#server = server;
    this.#resource = server.resources.of("networking.k8s.io/v1", "servicecidrs");
    this.#events = new InternalEvents(server, CONTROLLER, "ServiceCIDR");
    this.#mending = periodic(
      server.clock,
      "the default ServiceCIDR was not mended",
      SERVICE_CIDR_INTERVAL_MS,
      () => this.#reconcile(),
    );
  }

  async start(): Promise<void> {
    await this.#reconcile();
    this.#mending.request(SERVICE_CIDR_INTERVAL_MS);
  }

  async close(): Promise<void> {
    await this.#mending.close();
  }

  async #reconcile(): Promise<void> {
    const cidrs = [this.#server.options.serviceCidr];
    const wanted: Stored = { metadata: { name: NAME }, spec: { cidrs } };
    await ensure(this.#server, this.#resource, wanted);
    const stored = await this.#resource.store.find<Stored>("", NAME);
    // The readiness of one that is being deleted is its controller's.
    if (stored === undefined || stored.metadata.deletionTimestamp !== undefined) return;
    const { spec, status } = stored;
    const isOurs = spec.cidrs?.length === 1 && spec.cidrs[0] === cidrs[0];
    if (!isOurs) {
      const message =
        `The default ServiceCIDR ${(spec.cidrs ?? []).join(",")} does not match the controller ` +
        `flag configurations ${cidrs.join(",")}`;
      await this.#report(stored, "KubernetesDefaultServiceCIDRInconsistent", message);
      return;
    }
    const known = status?.conditions?.find(({ type }) => type === "Ready");
    if (known?.status === "False") {
      const text = `Configuration matches, but ${known.message}`;
      await this.#report(stored, known.reason || "NotReady", text);
    } else if (known?.status !== "True") await this.#makeReady();
  }

  async #makeReady(): Promise<void> {
    const ready = {
      type: "Ready",
      status: "True",
      message: "Kubernetes default Service CIDR is ready",
      lastTransitionTime: timeText(this.#server.clock.now()),
    };
    await applyStatus(this.#server, this.#resource, NAME, { conditions: [ready] }, CONTROLLER);
  }

  async #report(about: Stored, reason: string, message: string): Promise<void> {
    if (this.#reported === message) return;
    this.#reported = message;
    log.warn("the default ServiceCIDR differs", { reason, message });
    await this.#events.warn({ about, reason, message });
  }
}
