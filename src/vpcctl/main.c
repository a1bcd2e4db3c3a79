/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vpcctl/ctl.h"

static const struct {
    const char *name, *args, *help;
    int (*run)(const struct ctl *ctl);
} commands[] = {
    {"status", "[--json]", "the daemons, instances, interfaces, drops by reason", ctl_status},
    {"trace", "FROM TO [tcp/PORT...] [--live]", "a packet's way: each rule it meets, and its end",
     ctl_trace},
    {"flows", "[top] [--follow] [--of ID] [--group ID] [--port N]...",
     "the flows that live now; what they carry; who carries most", ctl_flows},
    {"drops", "[--last N] [--of ID] [--follow]",
     "packets that were dropped: by reason, and the last ones with what decided", ctl_drops},
    {"instance", "INSTANCE [--json | --qemu | --libvirt | --firecracker]",
     "its interfaces, and how a virtual machine takes them", ctl_instance},
    {"exec", "INSTANCE -- CMD...", "run a command in an instance (root; -t: with a terminal)",
     ctl_exec},
    {"console", "INSTANCE", "what the instance's user data printed", ctl_console},
    {"account", "list | create [ID] [NAME] | delete ID | limit ID NAME VALUE", "accounts",
     ctl_account},
    {"key", "list [ACCOUNT] | create ACCOUNT | delete KEY", "access keys", ctl_key},
    {"stop", "", "end the daemons; packets and instances go on", ctl_stop},
    {"down", "", "end the daemons, then take the data plane and the instances away", ctl_down},
    {"doctor", "", "what of this machine stands in the way, and what to do", ctl_doctor},
};

static void print_help(FILE *out) {
    fputs("Usage: vpcctl [--state-dir DIR] COMMAND ...\n\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "  %s %s\n      %s\n", commands[i].name, commands[i].args, commands[i].help);
    fputs("\n  --state-dir DIR   vpcd's state directory (/var/lib/vpcd, or $VPCD_STATE_DIR)\n"
          "  --help, --version\n",
          out);
}

int main(int argc, char **argv) {
    const char *dir = getenv("VPCD_STATE_DIR");
    struct ctl ctl;
    int i = 1;

    if (!dir || !*dir)
        dir = "/var/lib/vpcd";
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("vpcctl %s\n", VPCD_VERSION);
            return 0;
        }
        if (strncmp(argv[i], "--state-dir=", 12) == 0)
            dir = argv[i] + 12;
        else if (strcmp(argv[i], "--state-dir") == 0 && i + 1 < argc)
            dir = argv[++i];
        else
            return complain(EXIT_USAGE, "'%s' is no option; see vpcctl --help", argv[i]);
    }
    if (i == argc) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strlen(dir) >= sizeof(ctl.dir))
        return complain(EXIT_USAGE, "--state-dir: too long");
    snprintf(ctl.dir, sizeof(ctl.dir), "%s", dir);
    ctl.argc = argc - i - 1;
    ctl.argv = argv + i + 1;
    for (size_t c = 0; c < ARRAY_SIZE(commands); c++)
        if (strcmp(commands[c].name, argv[i]) == 0)
            return commands[c].run(&ctl);
    return complain(EXIT_USAGE, "'%s' is no command; see vpcctl --help", argv[i]);
}
