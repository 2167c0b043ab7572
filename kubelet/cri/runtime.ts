import {
  ImageService,
  type ImageServiceMethods,
  RuntimeService,
  type RuntimeServiceMethods,
} from "@raft2kube/proto/gen/cri.ts";
import { client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";

/** The container runtime behind its socket: the only door the kubelet has to containers. */
export interface Runtime {
  readonly runtime: RpcClient<RuntimeServiceMethods>;
  readonly images: RpcClient<ImageServiceMethods>;
  close(): void;
}

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

/** Tells the runtime the node's pod range, for those that write their network's configuration. */
export async function tellPodCidrs({ runtime }: Runtime, podCidrs: string[]): Promise<void> {
  const networkConfig = { podCidr: podCidrs.join(",") };
  try {
    await runtime.updateRuntimeConfig({ runtimeConfig: { networkConfig } });
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown;
  }
}

/** The thing asked for is not there: for stopping and removing that is success. */
export function isGone(thrown: unknown): boolean {
  return thrown instanceof RpcError && thrown.status === Status.NOT_FOUND;
}

/** The runtime does not offer this call. */
export function isUnimplemented(thrown: unknown): boolean {
  return thrown instanceof RpcError && thrown.status === Status.UNIMPLEMENTED;
}
