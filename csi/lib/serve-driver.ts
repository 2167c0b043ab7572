import { mkdir } from "node:fs/promises";
import path from "node:path";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type RpcServer, serveGrpc } from "@raft2kube/rpc/server.ts";
import { serveRegistration } from "./registration.ts";

/** The version that our drivers report of themselves. */
export const DRIVER_VERSION = "0.1.0";

export interface DriverSockets {
  driverName: string;
  /** The Unix socket that the CSI services answer on; its directory is made. */
  socket: string;
  /** A kubelet's registry directory; left out, the driver registers nowhere. */
  registrationDir?: string | undefined;
}

/** Serves a driver's services on its socket, and then registers it with the kubelet. */
export async function serveDriver(
  { driverName, socket, registrationDir }: DriverSockets,
  services: readonly ServedService[],
): Promise<{ address: string; close(): Promise<void> }> {
  await mkdir(path.dirname(socket), { recursive: true, mode: 0o750 });
  const server = await serveGrpc({ services: [...services], listen: { path: socket } });
  let registration: Pick<RpcServer, "close"> | undefined;
  try {
    if (registrationDir !== undefined) {
      registration = await serveRegistration({ registrationDir, driverName, socket });
    }
  } catch (thrown) {
    await server.close();
    throw thrown;
  }
  return {
    address: server.address,
    async close() {
      await registration?.close();
      await server.close();
    },
  };
}
