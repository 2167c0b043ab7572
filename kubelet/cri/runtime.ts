import {
  ImageService,
  type ImageServiceMethods,
  RuntimeService,
  type RuntimeServiceMethods,
  type VersionResponse,
} from "@raft2kube/proto/gen/cri.ts";
import { client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { tolerate } from "@raft2kube/std/errors.ts";

/** The container runtime, over its socket: the kubelet's only access to containers. */
export interface Runtime {
  readonly runtime: RpcClient<RuntimeServiceMethods>;
  readonly images: RpcClient<ImageServiceMethods>;
  close(): void;
}

/** A runtime that has answered, and the clock of the kubelet. */
export type ConnectedRuntime = { clock: Clock; runtime: Runtime; version: VersionResponse };

/** Connects to a CRI socket, `unix:///run/...`; images may be served on another one. */
export function connectRuntime(endpoint: string, imageEndpoint = endpoint): Runtime {
  const channel = connectGrpc(endpoint);
  const imageChannel = imageEndpoint === endpoint ? channel : connectGrpc(imageEndpoint);
  return {
    runtime: client(channel, RuntimeService),
    images: client(imageChannel, ImageService),
    close() {
      channel.close();
      if (imageChannel !== channel) imageChannel.close();
    },
  };
}

/** Sends the node's pod range to the runtime; a runtime may write its CNI configuration from it. */
export async function updatePodCidrs({ runtime }: Runtime, podCidrs: string[]): Promise<void> {
  const networkConfig = { podCidr: podCidrs.join(",") };
  await tolerate(
    runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig } }),
    isUnimplemented,
  );
}

/**
 * Whether the runtime does not have the container or sandbox, which is success for stop and remove.
 */
export function isGone(thrown: unknown): boolean {
  return thrown instanceof RpcError && thrown.status === Status.NOT_FOUND;
}

/** Waits for a call that stops or removes something; its absence is success. */
export async function ignoreGone(call: Promise<unknown>): Promise<void> {
  await tolerate(call, isGone);
}

/** The runtime does not offer this call; containerd 2.2 says so of some with another status. */
export function isUnimplemented(thrown: unknown): boolean {
  if (!(thrown instanceof RpcError)) return false;
  const { status, message } = thrown;
  if (status === Status.UNIMPLEMENTED) return true;
  return status === Status.UNKNOWN && message.includes("not implemented");
}
