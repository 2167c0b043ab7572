// The program named `ingress` in the image of `r2k image ingress`.
import { command } from "./parts/ingress.ts";
import { runProgram } from "./terminal.ts";

runProgram(command().parseAsync(process.argv));
