import { mkdir } from "node:fs/promises";
import path from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { Registration } from "@raft2kube/proto/gen/pluginregistration.ts";
import { serveSoon } from "@raft2kube/rpc/serve-soon.ts";
import { type RpcServer, serve } from "@raft2kube/rpc/server.ts";

/** Versions of CSI itself that the driver speaks, as the kubelet compares them. */
const SUPPORTED_VERSIONS = ["1.0.0"];

/**
 * Registers a CSI driver with a kubelet: serves a socket in its registry directory that reports the
 * driver's name and endpoint (pluginregistration v1). The kubelet removes the driver when the
 * socket is removed, so it is closed first.
 */
export function serveRegistration(options: {
  registrationDir: string;
  driverName: string;
  socket: string;
}): Promise<Pick<RpcServer, "close">> {
  const { registrationDir, driverName, socket } = options;
  const log = logger("csi-registration");
  return mkdir(registrationDir, { recursive: true, mode: 0o750 }).then(() =>
    serveSoon({
      listen: { path: path.join(registrationDir, `${driverName}-reg.sock`) },
      services: [
        serve(Registration, {
          getInfo: () => ({
            type: "CSIPlugin",
            name: driverName,
            endpoint: path.resolve(socket),
            supportedVersions: SUPPORTED_VERSIONS,
          }),
          notifyRegistrationStatus: ({ pluginRegistered, error }) => {
            if (pluginRegistered) log.info("registered with the kubelet", { driverName });
            else log.error("the kubelet refused the registration", { driverName, error });
            return {};
          },
        }),
      ],
    }),
  );
}
