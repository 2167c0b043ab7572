import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { IPAddress } from "@raft2kube/api/gen/networking/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { ServiceWriter } from "./service-writer.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal, invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { ADDRESS_ATTEMPTS_MAX } from "../../limits.ts";
import { decoded, ensure } from "../internal-write.ts";
import { keyOf } from "../../storage/keys.ts";
import { fillSystemFields } from "../metadata.ts";
import type { Resource } from "../../resource/resource.ts";
import {
  addressAt,
  isWithin,
  offsetOf,
  parseServiceCidr,
  type ServiceCidr,
  staticBand,
} from "./service-cidr.ts";
import type { Service } from "./service.ts";

type IpAddress = IPAddress & KubeObject;

/**
 * Addresses of Services. Each one given out is an IPAddress object, whose name is the address: the
 * store's own
 * uniqueness makes giving out atomic across all apiservers.
 */
export class ClusterIps {
  readonly #writer: ServiceWriter;
  readonly #cidr: ServiceCidr;
  readonly #addresses: Resource;

  constructor(writer: ServiceWriter) {
    this.#writer = writer;
    this.#cidr = parseServiceCidr(writer.options.serviceCidr);
    this.#addresses = writer.resources.of("networking.k8s.io/v1", "ipaddresses");
  }

  /** How many addresses are given out; undefined before the cache of them has been started. */
  get stock(): { taken: number; free: number } | undefined {
    const taken = this.#addresses.startedCache?.size;
    return taken === undefined ? undefined : { taken, free: this.#cidr.size - taken };
  }

  /**
   * Takes the address that a Service asks for. Throws 422 when it is taken or outside the range.
   */
  async take(service: Service, address: string): Promise<void> {
    if (offsetOf(this.#cidr, address) === undefined) {
      const why = isWithin(this.#cidr, address)
        ? `the provided IP (${address}) is not in the valid range. ` +
          `The range of valid IPs is ${this.#cidr.text}`
        : "the provided network does not match the current range";
      throw this.#refusal(service, `failed to allocate IP ${address}: ${why}`);
    }
    if (!(await this.#create(service, address))) {
      throw this.#refusal(
        service,
        `failed to allocate IP ${address}: provided IP is already allocated`,
      );
    }
  }

  /** Takes any free address. Throws 500 when the range is used up. */
  async takeAny(service: Service): Promise<string> {
    const tried = new Set<string>();
    for (let attempt = 0; attempt < ADDRESS_ATTEMPTS_MAX; attempt++) {
      const address = await this.free(tried);
      if (await this.#create(service, address)) return address;
      tried.add(address);
    }
    throw full();
  }

  /** Returns an address that seems free and is not in `tried`. Throws 500 if there is none. */
  async free(tried: ReadonlySet<string> = new Set()): Promise<string> {
    const cache = await this.#addresses.cache();
    const address = this.#pick(
      (each) =>
        !tried.has(each) && cache.get(keyOf(this.#addresses.kind, "", each)) === undefined,
    );
    if (address === undefined) throw full();
    return address;
  }

  /** A free address from a random place on: above the static band first, then inside it. */
  #pick(isFree: (address: string) => boolean): string | undefined {
    const band = staticBand(this.#cidr);
    for (const [from, to] of [
      [band + 1, this.#cidr.size],
      [1, band],
    ] as const) {
      const length = to - from + 1;
      const start = Math.floor(this.#writer.random.next() * length);
      for (let i = 0; i < length; i++) {
        const address = addressAt(this.#cidr, from + ((start + i) % length));
        if (isFree(address)) return address;
      }
    }
    return undefined;
  }

  async #create(service: Service, address: string): Promise<boolean> {
    const object = this.#object(service, address);
    fillSystemFields(object, this.#writer.clock.now());
    try {
      await this.#addresses.store.create(object);
      return true;
    } catch (thrown) {
      if (isReason(thrown, "AlreadyExists")) return false;
      throw thrown;
    }
  }

  #object(service: Service, address: string): IpAddress {
    const { namespace = "", name = "" } = service.metadata;
    const given: IpAddress = {
      metadata: {
        name: address,
        labels: {
          "ipaddress.kubernetes.io/ip-family": "IPv4",
          "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        },
      },
      spec: { parentRef: { resource: "services", namespace, name } },
    };
    return decoded<IpAddress>(this.#addresses, given);
  }

  /** Frees an address; with `uid`, only if it is still given out as it was then. */
  async release(address: string, uid?: string): Promise<void> {
    try {
      await this.#addresses.store.change("", address, (object) => {
        const other = uid !== undefined && object?.metadata.uid !== uid;
        return object === undefined || other
          ? { do: "keep", object: { metadata: {} } }
          : { do: "delete", object };
      });
    } catch (thrown) {
      if (!isReason(thrown, "NotFound")) throw thrown;
    }
  }

  /** The addresses given out, each with the uid of its object. */
  async taken(): Promise<Map<string, string>> {
    const cache = (await this.#addresses.freshCache()) ?? (await this.#addresses.cache());
    return new Map(cache.list().map(({ name, uid }) => [name, uid]));
  }

  /** Takes an address that a Service holds without saying so; one outside the range is its own. */
  async mark(service: Service, address: string): Promise<void> {
    if (offsetOf(this.#cidr, address) === undefined) return;
    await ensure(this.#writer, this.#addresses, this.#object(service, address));
  }

  #refusal(service: Service, detail: string) {
    const value = [service.spec.clusterIP];
    const finding = invalidField("spec.clusterIPs", value, detail);
    return invalid({ group: "", name: "Service" }, service.metadata.name ?? "", [finding]);
  }
}

function full() {
  return internal("failed to allocate a serviceIP: range is full");
}
