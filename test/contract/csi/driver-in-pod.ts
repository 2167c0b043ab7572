import { parseArgs } from "node:util";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { serveRegistration } from "@raft2kube/csi/lib/registration.ts";
import { systemClock } from "@raft2kube/std/clock.ts";

// Run inside a pod: a driver that serves its socket, or its registrar, by the flags that it gets.

const string = { type: "string" } as const;
const { values } = parseArgs({
  options: {
    "driver-name": string,
    endpoint: string,
    "state-dir": string,
    "registration-dir": string,
    "kubelet-registration-path": string,
  },
});
const { "driver-name": driverName = "", "registration-dir": registrationDir } = values;
const served =
  registrationDir === undefined
    ? await startHostPathDriver({
        socket: values.endpoint ?? "",
        dataDir: values["state-dir"] ?? "",
        nodeId: "node",
        driverName,
        form: "directory",
        clock: systemClock(),
      })
    : await serveRegistration({
        registrationDir,
        driverName,
        socket: values["kubelet-registration-path"] ?? "",
      });
process.on("SIGTERM", () => void served.close().then(() => process.exit(0)));
