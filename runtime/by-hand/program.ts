// The OCI runtime as a program of its own: node runtime/by-hand/program.ts --root DIR create ...
import { byHand } from "./main.ts";

process.exitCode = await byHand(process.argv.slice(2));
