import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type AllocateRequest,
  type AllocateResponse,
  type ContainerAllocateResponse,
  type ContainerPreferredAllocationRequest,
  DevicePlugin,
  type DevicePluginOptions,
  type ListAndWatchResponse,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { serve } from "@raft2kube/rpc/server.ts";
import type { DeviceSet } from "./device-set.ts";

export interface DevicePluginBehaviour {
  /** `domain/name`, as in the pods' limits. */
  resourceName: string;
  devices: DeviceSet;
  /** Returns what the container receives for these devices. Throws RpcError to reject. */
  allocate(deviceIds: readonly string[]): Init<ContainerAllocateResponse>;
  /** Returns the preferred ones of the available devices; optional. */
  prefer?(request: ContainerPreferredAllocationRequest): string[];
  /** Prepares the devices before their container starts; optional. */
  preStart?(deviceIds: readonly string[]): Promise<void>;
}

/** The options of a behaviour: the kubelet calls its optional functions only if they are set. */
export function optionsOf(behaviour: DevicePluginBehaviour): Init<DevicePluginOptions> {
  return {
    preStartRequired: behaviour.preStart !== undefined,
    getPreferredAllocationAvailable: behaviour.prefer !== undefined,
  };
}

/** Answers Allocate: for each container of the request its devices, in the request's order. */
export function answerAllocate(
  behaviour: DevicePluginBehaviour,
  { containerRequests }: AllocateRequest,
): Init<AllocateResponse> {
  // lab:18 begin answer-allocate
  const containerResponses = containerRequests.map(({ devicesIds }) => {
    return behaviour.allocate(devicesIds);
  });
  return { containerResponses };
  // lab:18 end
}

/**
 * Answers ListAndWatch: all devices immediately, and again after each change, until `signal`
 * aborts. The end of the stream shows the kubelet that the plugin is gone.
 */
export async function* answerListAndWatch(
  behaviour: DevicePluginBehaviour,
  signal: AbortSignal,
): AsyncGenerator<Init<ListAndWatchResponse>> {
  for await (const devices of behaviour.devices.follow(signal)) yield { devices };
}

/** The service that the kubelet calls; `closed` ends its streams. */
export function serviceOf(behaviour: DevicePluginBehaviour, closed: AbortSignal): ServedService {
  return serve(DevicePlugin, {
    getDevicePluginOptions: () => optionsOf(behaviour),
    listAndWatch: (_request, call) => {
      return answerListAndWatch(behaviour, AbortSignal.any([call.signal, closed]));
    },
    allocate: (request) => answerAllocate(behaviour, request),
    getPreferredAllocation: ({ containerRequests }) => ({
      containerResponses: containerRequests.map((request) => ({
        deviceIDs: behaviour.prefer?.(request) ?? [],
      })),
    }),
    preStartContainer: async ({ devicesIds }) => {
      await behaviour.preStart?.(devicesIds);
      return {};
    },
  });
}
