import type { PluginCall } from "../skel.ts";
import type { ResultIp } from "../types.ts";

/** A kind of kernel rules that masquerade what leaves a container's network. */
export interface MasqueradeBackend {
  /** Masquerades the container's addresses, in the namespace of this thread. */
  add(call: PluginCall, ips: readonly ResultIp[]): Promise<void>;
  /** Deletes what has an owner's comment that `stale` accepts. */
  delete(stale: (comment: string) => boolean): Promise<void>;
  /** Returns an address of the container that is not masqueraded. */
  missing(call: PluginCall, ips: readonly ResultIp[]): Promise<ResultIp | undefined>;
}
