// Prints the host's state as JSON, seen from the namespaces that this runs in.
// Usage: node print-snapshot.ts CLUSTER
import { snapshotHost } from "./host-snapshot.ts";

process.stdout.write(JSON.stringify(snapshotHost(process.argv[2] ?? "")));
