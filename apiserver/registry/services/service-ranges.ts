import { hasAddress } from "@raft2kube/api/cidr.ts";
import type { ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { WatchCache } from "../../cache/watch-cache.ts";
import type { Resource } from "../../resource/resource.ts";
import type { Resources } from "../../resource/resources.ts";
import { type ServiceCidr, serviceCidr } from "./service-cidr.ts";

type Stored = ServiceCIDR & KubeObject;

/** The ranges of all ServiceCIDRs, each once. */
interface Ranges {
  /** Ranges from which addresses may be allocated. */
  readonly ready: readonly ServiceCidr[];
  readonly all: readonly ServiceCidr[];
}

/** The ranges of Services as the ServiceCIDRs have them (upstream's MetaAllocator). */
export class ServiceRanges {
  readonly #resource: Resource;
  #read: { of: WatchCache["state"]; ranges: Ranges } | undefined;

  constructor(resources: Resources) {
    this.#resource = resources.of("networking.k8s.io/v1", "servicecidrs");
  }

  /** The ready ranges; with `fresh`, of all ServiceCIDRs that the store has now. */
  async ready({ fresh = false } = {}): Promise<readonly ServiceCidr[]> {
    return (await this.#ranges(fresh)).ready;
  }

  /** The ranges of all ServiceCIDRs in the store, ready or not. */
  async all(): Promise<readonly ServiceCidr[]> {
    return (await this.#ranges(true)).all;
  }

  async #ranges(fresh: boolean): Promise<Ranges> {
    const cache =
      (fresh ? await this.#resource.freshCache() : undefined) ?? (await this.#resource.cache());
    const of = cache.state;
    if (this.#read?.of !== of) {
      const objects = cache.list().map((entry) => entry.shared<Stored>());
      const ranges = { ready: rangesOf(objects.filter(isReady)), all: rangesOf(objects) };
      this.#read = { of, ranges };
    }
    return this.#read.ranges;
  }
}

/**
 * Whether a range is ready; one without a status is, so that a cluster starts without its
 * controller.
 */
function isReady({ metadata, status }: Stored): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready === undefined || ready.status === "True";
}

function rangesOf(objects: readonly Stored[]): ServiceCidr[] {
  const texts = new Set(objects.flatMap(({ spec }) => spec.cidrs ?? []));
  return [...texts].flatMap((text) => serviceCidr(text) ?? []);
}

/** The range that an address can be allocated from. */
export function rangeOf(ranges: readonly ServiceCidr[], address: string): ServiceCidr | undefined {
  return ranges.find(({ cidr }) => hasAddress(cidr, address));
}
