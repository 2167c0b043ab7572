// The program named `ingress` in the image of `r2k image ingress`.
import { command } from "./parts/ingress.ts";
import { reportFailure } from "./terminal.ts";

command()
  .parseAsync(process.argv)
  .catch((thrown: unknown) => {
    process.exitCode = reportFailure(thrown);
  });
