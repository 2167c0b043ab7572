// The program named `dashboard` in the image of `r2k image dashboard`.
import { command } from "./parts/dashboard.ts";
import { reportFailure } from "./terminal.ts";

command()
  .parseAsync(process.argv)
  .catch((thrown: unknown) => {
    process.exitCode = reportFailure(thrown);
  });
