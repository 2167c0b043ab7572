import { nfsMounter } from "./in-share/mounter.ts";
import { performerOf } from "./in-share/performer.ts";
import { serveOperations } from "./in-share/serve.ts";

// The process that the driver starts for calls that may block on a server.
serveOperations(performerOf(nfsMounter));
