# Fails unless each of OBJECTS holds machine code for all TARGETS, and PTX for PTX.

foreach(OBJECT ${OBJECTS})
  execute_process(COMMAND ${CUOBJDUMP} --list-elf --list-ptx ${OBJECT} OUTPUT_VARIABLE LISTING COMMAND_ERROR_IS_FATAL ANY)
  foreach(TARGET ${TARGETS})
    if(NOT LISTING MATCHES "sm_${TARGET}\\.cubin")
      message(SEND_ERROR "${OBJECT} has no code for sm_${TARGET}")
    endif()
  endforeach()
  if(NOT LISTING MATCHES "sm_${PTX}\\.ptx")
    message(SEND_ERROR "${OBJECT} has no PTX for compute_${PTX}")
  endif()
endforeach()
