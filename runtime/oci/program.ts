/**
 * The program that makes containers from bundles (OCI runtime spec, runtime.md): crun, runc, our
 * own (`by-hand/`), or gVisor's runsc, whose containers have a kernel of its own.
 */
export type OciProgram = { path: string; kind: "crun" | "runc" | "runsc" | "by-hand" };
