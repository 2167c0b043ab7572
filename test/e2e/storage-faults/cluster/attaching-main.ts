// The attaching driver as a process: SOCKET REGISTRATION-DIR DATA-DIR NODE
import { serveDriver } from "@raft2kube/csi/lib/serve-driver.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { DRIVER_NAME, openAttachingDriver } from "../attaching-driver.ts";

const [socket = "", registrationDir = "", dataDir = "", nodeId = ""] = process.argv.slice(2);
const clock = systemClock();
const driver = await openAttachingDriver({ dataDir, form: undefined, nodeId, clock });
await serveDriver({ driverName: DRIVER_NAME, socket, registrationDir }, driver.services);
