/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance as the host has it, and how a virtual machine takes its taps: as words of QEMU's
 * command line, as elements of a libvirt domain, as Firecracker's configuration.
 */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vpcctl/ctl.h"
#include "vpcctl/print.h"

#define VHOST "/dev/vhost-net"

/* The kernel carries a machine's packets where it has vhost; otherwise QEMU does. */
static bool has_vhost(void) {
    return access(VHOST, R_OK | W_OK) == 0;
}

static void print_qemu(const json_t *interfaces, const char *between) {
    const json_t *row;
    size_t i;

    json_array_foreach(interfaces, i, row) {
        long long index = number_in(row, "index");

        printf("%s-netdev tap,id=net%lld,ifname=%s,script=no,downscript=no%s%s"
               "-device virtio-net-pci,id=eni%lld,netdev=net%lld,mac=%s,host_mtu=%lld",
               i ? between : "", index, text_in(row, "device"), has_vhost() ? ",vhost=on" : "",
               between, index, index, text_in(row, "mac"), number_in(row, "mtu"));
    }
}

static void print_libvirt(const json_t *interfaces) {
    const json_t *row;
    size_t i;

    json_array_foreach(interfaces, i, row) {
        printf("<interface type='ethernet'>\n"
               "  <mac address='%s'/>\n"
               "  <target dev='%s' managed='no'/>\n"
               "  <model type='virtio'/>\n"
               "  <mtu size='%lld'/>\n"
               "</interface>\n",
               text_in(row, "mac"), text_in(row, "device"), number_in(row, "mtu"));
    }
}

static void print_firecracker(const json_t *interfaces) {
    json_t *rows = json_array(), *all;
    const json_t *row;
    size_t i;

    json_array_foreach(interfaces, i, row) {
        char name[32];

        snprintf(name, sizeof(name), "eth%lld", number_in(row, "index"));
        json_array_append_new(rows, json_pack("{s:s,s:s,s:s}", "iface_id", name, "guest_mac",
                                              text_in(row, "mac"), "host_dev_name",
                                              text_in(row, "device")));
    }
    all = json_pack("{s:o}", "network-interfaces", rows);
    json_dumpf(all, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(all);
}

static void print_interface(const json_t *row) {
    const json_t *open = json_object_get(row, "open");
    const json_t *address;
    size_t i;

    printf("  %-23s device %-3lld %-15s %s  mtu %lld", text_in(row, "id"), number_in(row, "index"),
           text_in(row, "device"), text_in(row, "mac"), number_in(row, "mtu"));
    if (open)
        printf("  %s", json_is_true(open) ? "open" : "nobody has it open");
    if (number_in(row, "lost"))
        printf("  %lld packets lost (its queue was full)", number_in(row, "lost"));
    printf("\n   ");
    json_array_foreach(json_object_get(row, "addresses"), i, address) {
        printf(" %s", json_string_value(address));
    }
    printf("\n");
}

static void print_instance(const json_t *in) {
    const json_t *interfaces = json_object_get(in, "interfaces"), *row;
    bool tap = strcmp(text_in(in, "driver"), "tap") == 0;
    struct utsname machine;
    size_t i;

    printf("%s  ami-%s  %s\n", text_in(in, "id"), text_in(in, "driver"), text_in(in, "state"));
    json_array_foreach(interfaces, i, row) {
        print_interface(row);
    }
    if (!tap) {
        printf("\nvpcctl exec %s -- COMMAND runs a command in it.\n", text_in(in, "id"));
        return;
    }
    if (!json_array_size(interfaces)) {
        printf("\nIts taps are made when it starts.\n");
        return;
    }
    uname(&machine);
    printf("\nvpcd does not run the machine: whoever opens its taps does (docs/INSTANCES.md). With "
           "QEMU:\n\nqemu-system-%s -accel kvm -accel tcg -m 1024 \\\n    ",
           machine.machine);
    print_qemu(interfaces, " \\\n    ");
    printf(" \\\n    ...\n\n--qemu, --libvirt and --firecracker print the interfaces alone, for "
           "scripts.\n");
}

int ctl_instance(const struct ctl *ctl) {
    static const char *const forms[] = {"--json", "--qemu", "--libvirt", "--firecracker"};
    const char *id = NULL;
    const json_t *interfaces;
    json_t *answer;
    int form = -1;

    for (int i = 0; i < ctl->argc; i++) {
        int f = 0;

        while (f < 4 && strcmp(ctl->argv[i], forms[f]) != 0)
            f++;
        if (f < 4 && form < 0)
            form = f;
        else if (!id && ctl->argv[i][0] != '-')
            id = ctl->argv[i];
        else
            return complain(EXIT_USAGE, "instance: '%s' is one too many", ctl->argv[i]);
    }
    if (!id)
        return complain(EXIT_USAGE, "usage: vpcctl instance INSTANCE [--json | --qemu | --libvirt "
                                    "| --firecracker]");
    answer = daemon_call(ctl, DAEMON_AGENT, json_pack("{ssss}", "cmd", "instance", "instance", id));
    if (!answer)
        return 1;
    interfaces = json_object_get(answer, "interfaces");
    if (form > 0 && strcmp(text_in(answer, "driver"), "tap") != 0) {
        json_decref(answer);
        return complain(1, "%s has no taps: it is namespaces of this host (ami-netns)", id);
    }
    if (form > 0 && !json_array_size(interfaces)) {
        json_decref(answer);
        return complain(1, "%s has no taps yet: they are made when it starts", id);
    }
    if (form < 0) {
        print_instance(answer);
    } else if (form == 0) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (form == 1) {
        print_qemu(interfaces, " ");
        printf("\n");
    } else if (form == 2) {
        print_libvirt(interfaces);
    } else {
        print_firecracker(interfaces);
    }
    json_decref(answer);
    return 0;
}
