/**
 * The program that makes containers from bundles (OCI runtime spec, runtime.md): crun, runc, or our
 * own (`by-hand/`).
 */
export type OciProgram = { path: string; kind: "crun" | "runc" | "by-hand" };
