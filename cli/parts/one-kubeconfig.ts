import { CommandError } from "../terminal.ts";

/** A part has one client; upstream's may ask for reviews as another user. */
export function requireOneKubeconfig(flags: {
  readonly kubeconfig: string;
  readonly authenticationKubeconfig?: string;
  readonly authorizationKubeconfig?: string;
}): void {
  for (const kind of ["authentication", "authorization"] as const) {
    const given = flags[`${kind}Kubeconfig`];
    if (given === undefined || given === flags.kubeconfig) continue;
    const text = `--${kind}-kubeconfig ${given} is not that of --kubeconfig`;
    throw new CommandError("FLAG", text, { remedy: `give ${flags.kubeconfig} for both` });
  }
}
