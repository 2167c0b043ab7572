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
import { turn } from "@raft2kube/std/slices.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
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
import { SHOWN_DEVICES_MAX } from "./limits.ts";

export interface PodResourcesOptions {
  socket: string;
  activePods: ActivePods;
  holders: DeviceHolders;
  resources: DeviceResources;
}

/** Serves podresources v1 to monitoring agents: which container holds which devices. Reads only. */
export function servePodResources(options: PodResourcesOptions): Promise<Pick<RpcServer, "close">> {
  const { socket, activePods, holders, resources } = options;
  const turns = new FairTurns();
  /** Makes one answer in a turn of the event loop: plugins may have a million devices. */
  const inTurn = <R>(make: () => R) => turns.run("", () => turn().then(make));
  const described = (pods: readonly Pod[]) => {
    const held = pods.flatMap((pod) => holders.ofPod(uidOf(pod)));
    requireShown(held.reduce((sum, { deviceIds }) => sum + deviceIds.length, 0));
    return pods.map((pod) => describe(pod, options));
  };
  return serveSoon({
    listen: { path: socket },
    services: [
      serve(PodResourcesLister, {
        list: () => inTurn(() => ({ podResources: described(activePods.list()) })),
        get: ({ podName, podNamespace }) =>
          inTurn(() => {
            const pod = activePods
              .list()
              .find((one) => nameOf(one) === podName && namespaceOf(one) === podNamespace);
            if (pod) return { podResources: described([pod])[0]! };
            const message = `pod ${podName} in namespace ${podNamespace} not found`;
            throw new RpcError(Status.NOT_FOUND, message);
          }),
        getAllocatableResources: () =>
          inTurn(() => {
            const healthy = [...resources.names()].map(
              (name) => [name, resources.healthy(name)] as const,
            );
            requireShown(healthy.reduce((sum, [, devices]) => sum + devices.length, 0));
            const devices = healthy.flatMap(([name, list]) =>
              devicesMessage(
                name,
                list.map(({ ID }) => ID),
                resources,
              ),
            );
            return { devices };
          }),
      }),
    ],
  });
}

function requireShown(devices: number): void {
  if (devices <= SHOWN_DEVICES_MAX) return;
  const message = `there are ${devices} devices, at most ${SHOWN_DEVICES_MAX} are shown`;
  throw new RpcError(Status.RESOURCE_EXHAUSTED, message);
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
