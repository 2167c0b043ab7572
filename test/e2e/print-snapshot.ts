// Prints the host's state as JSON, seen from the namespaces that this runs in.
import { snapshotHost } from "./host-snapshot.ts";

process.stdout.write(JSON.stringify(snapshotHost()));
