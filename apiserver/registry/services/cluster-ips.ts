import { familyOf } from "@raft2kube/api/cidr.ts";
import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { IPAddress } from "@raft2kube/api/gen/networking/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal, invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { updateManagedFields } from "@raft2kube/apimachinery/managed-fields/update.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { mapInSlices } from "@raft2kube/std/slices.ts";
import { ADDRESS_ATTEMPTS_MAX } from "../../limits.ts";
import type { Resource } from "../../resource/resource.ts";
import { keyOf } from "../../storage/keys.ts";
import { decoded, internalWrite } from "../internal-write.ts";
import { fillSystemFields } from "../metadata.ts";
import type { Service } from "./service.ts";
import { addressAt, type ServiceCidr } from "./service-cidr.ts";
import { rangeOf, ServiceRanges } from "./service-ranges.ts";
import type { ServiceWriter } from "./service-writer.ts";

export type IpAddress = IPAddress & KubeObject;

/** Labels of the addresses that this allocator keeps: all others belong to their creators. */
export const FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family";
export const MANAGER_LABEL = "ipaddress.kubernetes.io/managed-by";
export const MANAGER = "ipallocator.k8s.io";

/** A Service's namespace and name, as one text. */
export const serviceKey = ({ namespace = "", name = "" }: Service["metadata"]): string =>
  `${namespace}/${name}`;

/** The Service that an address refers to; undefined for one of something else. */
export function serviceKeyOf({ spec: { parentRef } }: IpAddress): string | undefined {
  if (parentRef === undefined || (parentRef.group ?? "") !== "") return undefined;
  return parentRef.resource === "services" ? serviceKey(parentRef) : undefined;
}

/**
 * Addresses of Services, from the ranges of ready ServiceCIDRs. Each allocated one is an IPAddress
 * object, whose name is the address: the uniqueness of names in the store makes allocation atomic
 * across all apiservers, and ranges may overlap.
 */
export class ClusterIps {
  readonly ranges: ServiceRanges;
  readonly #writer: ServiceWriter;
  readonly #addresses: Resource;

  constructor(writer: ServiceWriter) {
    this.#writer = writer;
    this.ranges = new ServiceRanges(writer.resources);
    this.#addresses = writer.resources.of("networking.k8s.io/v1", "ipaddresses");
  }

  /** Takes the address that a Service asks for. Throws 422 when it is taken or in no range. */
  async take(service: Service, address: string): Promise<void> {
    const range =
      rangeOf(await this.ranges.ready(), address) ??
      // The range may be newer than the cache.
      rangeOf(await this.ranges.ready({ fresh: true }), address);
    if (range === undefined) {
      throw this.#refusal(service, "the provided network does not match the current range");
    }
    if (await this.#create(service, address)) return;
    throw this.#refusal(service, "provided IP is already allocated");
  }

  /** Takes any free address. Throws 500 when all ranges are used up. */
  async takeAny(service: Service): Promise<string> {
    const tried = new Set<string>();
    const address =
      (await this.#takeFrom(service, await this.ranges.ready(), tried)) ??
      (await this.#takeFrom(service, await this.ranges.ready({ fresh: true }), tried));
    if (address === undefined) throw full(service);
    return address;
  }

  /** Starts at any range; one that is used up is left for the next. */
  async #takeFrom(
    service: Service,
    ranges: readonly ServiceCidr[],
    tried: Set<string>,
  ): Promise<string | undefined> {
    const start = Math.floor(this.#writer.random.next() * ranges.length);
    for (const range of [...ranges.slice(start), ...ranges.slice(0, start)]) {
      try {
        return await this.#takeOne(service, range, tried);
      } catch (thrown) {
        if (!(thrown instanceof RangeFull)) throw thrown;
      }
    }
    return undefined;
  }

  /** Other servers may take the same addresses at the same time: then another one is tried. */
  async #takeOne(service: Service, range: ServiceCidr, tried: Set<string>): Promise<string> {
    const isFree = await this.#isFree(tried);
    while (tried.size < ADDRESS_ATTEMPTS_MAX) {
      const address = this.#pick(range, isFree);
      if (address === undefined) break;
      if (await this.#create(service, address)) return address;
      tried.add(address);
    }
    throw new RangeFull(range);
  }

  /** An address that seems free now: what a dry run answers. Throws 500 when there is none. */
  async free(service: Service): Promise<string> {
    const isFree = await this.#isFree(new Set());
    for (const range of await this.ranges.ready()) {
      const address = this.#pick(range, isFree);
      if (address !== undefined) return address;
    }
    throw full(service);
  }

  /** Throws 422 for an address that is in no range; whether it is taken a dry run does not ask. */
  async rehearse(service: Service, address: string): Promise<void> {
    const ranges = await this.ranges.ready();
    if (rangeOf(ranges, address) !== undefined) return;
    const texts = ranges.map(({ text }) => text).join(", ");
    throw this.#refusal(
      service,
      `the provided IP (${address}) is not in the valid range. ` +
        `The range of valid IPs is ${texts}`,
    );
  }

  async #isFree(tried: ReadonlySet<string>): Promise<(address: string) => boolean> {
    const { kind } = this.#addresses;
    const cache = await this.#addresses.cache();
    return (address) => !tried.has(address) && cache.get(keyOf(kind, "", address)) === undefined;
  }

  /** A free address from a random place on: above the static band first, then inside it. */
  #pick(range: ServiceCidr, isFree: (address: string) => boolean): string | undefined {
    for (const [from, to] of [
      [range.band + 1, range.size],
      [1, range.band],
    ] as const) {
      const length = Math.max(0, to - from + 1);
      const start = Math.floor(this.#writer.random.next() * length);
      for (let i = 0; i < length; i++) {
        const address = addressAt(range, from + ((start + i) % length));
        if (isFree(address)) return address;
      }
    }
    return undefined;
  }

  async #create(service: Service, address: string): Promise<boolean> {
    const object = this.#object(service, address);
    const now_ms = this.#writer.clock.now();
    updateManagedFields(this.#addresses, object, undefined, internalWrite(), now_ms);
    fillSystemFields(object, now_ms);
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
        labels: { [FAMILY_LABEL]: familyOf(address), [MANAGER_LABEL]: MANAGER },
      },
      spec: { parentRef: { resource: "services", namespace, name } },
    };
    return decoded<IpAddress>(this.#addresses, given);
  }

  /** Frees the address of a Service, unless the repair has given it to another by now. */
  async release(address: string, { metadata }: Service): Promise<void> {
    const own = serviceKey(metadata);
    await this.#remove(address, (object) => serviceKeyOf(object) === own);
  }

  /** Frees an address, if it is still allocated as it was then; returns whether it was. */
  async releaseObject({ metadata: { name = "", uid } }: IpAddress): Promise<boolean> {
    return await this.#remove(name, (object) => object.metadata.uid === uid);
  }

  async #remove(address: string, isMeant: (object: IpAddress) => boolean): Promise<boolean> {
    try {
      const { deleted } = await this.#addresses.store.change("", address, (object) =>
        object === undefined || !isMeant(object as IpAddress)
          ? { do: "keep", object: { metadata: {} } }
          : { do: "delete", object },
      );
      return deleted;
    } catch (thrown) {
      if (!isReason(thrown, "NotFound")) throw thrown;
      return false;
    }
  }

  /** All IPAddress objects as of now. */
  async objects(): Promise<IpAddress[]> {
    const cache = (await this.#addresses.freshCache()) ?? (await this.#addresses.cache());
    return await mapInSlices(cache.list(), (entry) => entry.object<IpAddress>());
  }

  /** Takes an address that a Service has already; false when its object is there. */
  async mark(service: Service, address: string): Promise<boolean> {
    return await this.#create(service, address);
  }

  #refusal(service: Service, why: string) {
    const address = service.spec.clusterIP ?? "";
    const detail = `failed to allocate IP ${address}: ${why}`;
    const finding = invalidField("spec.clusterIPs", [address], detail);
    return invalid({ group: "", name: "Service" }, service.metadata.name ?? "", [finding]);
  }
}

/** A range has no free address left. */
class RangeFull extends CodedError {
  constructor({ text }: ServiceCidr) {
    super("RANGE_FULL", `no address of ${text} is free`, {
      remedy: "create a ServiceCIDR with another range",
    });
  }
}

function full({ metadata: { name = "" } }: Service) {
  const service = JSON.stringify(name);
  return internal(`failed to allocate a serviceIP for Service ${service}: range is full`);
}
