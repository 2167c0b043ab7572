import { CgroupDriver, type RuntimeServiceMethods } from "@raft2kube/proto/gen/cri.ts";
import type { Handlers } from "@raft2kube/rpc/server.ts";
import type { Network, Programs } from "../ports.ts";

const VERSION = "0.1.0";
/** The version of the kubelet's side that is answered, a constant since the beginning of CRI. */
const KUBELET_API_VERSION = "0.1.0";

/** CRI's calls about the runtime itself. */
export function statusCalls(runtime: Programs & Network): Handlers<RuntimeServiceMethods> {
  return {
    async version() {
      return {
        version: KUBELET_API_VERSION,
        runtimeName: "raft2kube",
        runtimeVersion: VERSION,
        runtimeApiVersion: "v1",
      };
    },
    async status() {
      const network = await runtime.network.condition();
      const handlers = runtime.oci.names.map(async (name) => {
        const oci = runtime.oci.of(name);
        const recursiveReadOnlyMounts = await oci.recursiveReadOnly();
        const userNamespaces = await oci.userNamespaces();
        return { name, features: { recursiveReadOnlyMounts, userNamespaces } };
      });
      return {
        status: {
          conditions: [
            { type: "RuntimeReady", status: true, reason: "", message: "" },
            {
              type: "NetworkReady",
              status: network.ready,
              reason: network.reason,
              message: network.message,
            },
          ],
        },
        runtimeHandlers: await Promise.all(handlers),
        features: { supplementalGroupsPolicy: true, userNamespacesHostNetwork: false },
      };
    },
    async runtimeConfig() {
      return { linux: { cgroupDriver: CgroupDriver.CGROUPFS } };
    },
    /** The pod range is in the CNI configuration, which is the network's own. */
    async updateRuntimeConfig() {
      return {};
    },
  };
}
