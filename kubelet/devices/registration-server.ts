import path from "node:path";
import { isExtendedResource } from "@raft2kube/api/core/v1/pod/validate-resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { Registration } from "@raft2kube/proto/gen/deviceplugin.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { SOCKET_PATH_BYTES_MAX } from "@raft2kube/rpc/limits.ts";
import { serveSoon } from "@raft2kube/rpc/serve-soon.ts";
import { type RpcServer, serve } from "@raft2kube/rpc/server.ts";
import type { DeviceResources } from "./device-resources.ts";

const log = logger("device-registration");

/** The only version of the API. */
const VERSION = "v1beta1";

/** Serves `kubelet.sock`, where device plugins register; their own sockets lie beside it. */
export function serveDeviceRegistration(
  pluginDir: string,
  resources: DeviceResources,
): Promise<Pick<RpcServer, "close">> {
  return serveSoon({
    listen: { path: path.join(pluginDir, "kubelet.sock") },
    services: [
      serve(Registration, {
        register: async ({ version, endpoint, resourceName, options }) => {
          requireRegistration({ version, endpoint, resourceName });
          const socket = path.join(pluginDir, endpoint);
          if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX) {
            throw refused(`the socket's path is too long: ${socket}`);
          }
          const chosen = options ?? {
            preStartRequired: false,
            getPreferredAllocationAvailable: false,
          };
          await resources.add(resourceName, socket, chosen);
          log.info("device plugin registered", { resource: resourceName });
          return {};
        },
      }),
    ],
  });
}

function requireRegistration(request: {
  version: string;
  endpoint: string;
  resourceName: string;
}): void {
  const { version, endpoint, resourceName } = request;
  if (version !== VERSION) {
    throw refused(`requested API version ${JSON.stringify(version)} is not ${VERSION}`);
  }
  if (!isExtendedResource(resourceName)) {
    throw refused(`the resource name ${JSON.stringify(resourceName)} is not that of a device`);
  }
  // The endpoint must be a file of the plugin directory: the kubelet connects to it as root.
  if (endpoint === "" || endpoint !== path.basename(endpoint) || endpoint.startsWith(".")) {
    throw refused(`the endpoint ${JSON.stringify(endpoint)} is not the name of a socket`);
  }
}

const refused = (message: string): RpcError => new RpcError(Status.INVALID_ARGUMENT, message);
