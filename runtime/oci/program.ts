/** The program that makes containers from bundles: crun or runc (OCI runtime spec, runtime.md). */
export interface OciProgram {
  path: string;
  kind: "crun" | "runc";
}
