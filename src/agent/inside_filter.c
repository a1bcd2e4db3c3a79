/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that nothing in an instance needs and that most attacks on a kernel begin with. They
 * fail as if the kernel did not have them. Other architectures' calls on this one (32-bit
 * programs) are refused altogether, or the list could be walked around.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "agent/inside.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#error "add this architecture's AUDIT_ARCH"
#endif

static const unsigned refused[] = {
    SYS_add_key,         SYS_bpf,
    SYS_delete_module,   SYS_finit_module,
    SYS_init_module,     SYS_io_uring_enter,
    SYS_io_uring_setup,  SYS_io_uring_register,
    SYS_kexec_load,      SYS_keyctl,
    SYS_lookup_dcookie,  SYS_open_by_handle_at,
    SYS_perf_event_open, SYS_request_key,
    SYS_userfaultfd,
};
#define REFUSED (sizeof(refused) / sizeof(*refused))

int inside_filter(void) {
    struct sock_filter code[2 * REFUSED + 8];
    struct sock_fprog program = {.filter = code};
    unsigned short n = 0;

    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    code[n++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    /* x32: the same calls under other numbers. */
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
#endif
    for (size_t i = 0; i < REFUSED; i++) {
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i], 0, 1);
        code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program.len = n;
    /* Without no_new_privs: the right to do so is there, in the instance's user namespace. */
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 && errno != EINVAL)
        return -errno;
    return 0; /* EINVAL: this kernel has no seccomp */
}
