import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type ContainerDevices,
  type PodResources,
  PodResourcesLister,
} from "@raft2kube/proto/gen/podresources.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { serveSoon } from "@raft2kube/rpc/serve-soon.ts";
import { type RpcServer, serve } from "@raft2kube/rpc/server.ts";
import {
  containersOf,
  isRestartableInit,
  nameOf,
  namespaceOf,
  uidOf,
} from "../pods/pod-identity.ts";
import type { ActivePods } from "./device-allocation.ts";
import type { DeviceHolders } from "./device-holders.ts";
import type { DeviceResources } from "./device-resources.ts";

export interface PodResourcesOptions {
  socket: string;
  activePods: ActivePods;
  holders: DeviceHolders;
  resources: DeviceResources;
}

/** Serves podresources v1 to monitoring agents: which container holds which devices. Reads only. */
export function servePodResources(options: PodResourcesOptions): Promise<Pick<RpcServer, "close">> {
  const { socket, activePods, resources } = options;
  return serveSoon({
    listen: { path: socket },
    services: [
      serve(PodResourcesLister, {
        list: () => ({ podResources: activePods.list().map((pod) => describe(pod, options)) }),
        get: ({ podName, podNamespace }) => {
          const pod = activePods
            .list()
            .find((one) => nameOf(one) === podName && namespaceOf(one) === podNamespace);
          if (pod) return { podResources: describe(pod, options) };
          const message = `pod ${podName} in namespace ${podNamespace} not found`;
          throw new RpcError(Status.NOT_FOUND, message);
        },
        getAllocatableResources: () => ({
          devices: [...resources.names()].flatMap((name) => {
            const healthy = resources.healthy(name).map(({ ID }) => ID);
            return devicesMessage(name, healthy, resources);
          }),
        }),
      }),
    ],
  });
}

function describe(pod: Pod, { holders, resources }: PodResourcesOptions): Init<PodResources> {
  const containers = containersOf(pod).filter(
    ({ kind, container }) =>
      kind === "regular" || (kind === "init" && isRestartableInit(container)),
  );
  return {
    name: nameOf(pod),
    namespace: namespaceOf(pod),
    containers: containers.map(({ container }) => ({
      name: container.name,
      devices: holders
        .ofContainer(uidOf(pod), container.name)
        .flatMap(({ resource, deviceIds }) => devicesMessage(resource, deviceIds, resources)),
    })),
  };
}

/** One message per device, as upstream: devices of a message share one topology. */
function devicesMessage(
  resourceName: string,
  deviceIds: readonly string[],
  resources: DeviceResources,
): Init<ContainerDevices>[] {
  const devices = resources.devices(resourceName);
  return deviceIds.map((id) => ({
    resourceName,
    deviceIds: [id],
    topology: devices.get(id)?.topology,
  }));
}
